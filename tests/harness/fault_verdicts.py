"""What each cell of the fault matrix expects: one answer for each fault, and where a protocol makes another right."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from checks.core.check import Layer, Status
from tests.harness.fault_columns import FAULTS, Fault
from tests.harness.fault_rows import Row


@dataclass(frozen=True)
class Verdict:
    """One finding. Without a layer, it is the one on which the server's words were awaited; without keys, those are
    blamed that hold the address, or the first of them where the `name` alone is at fault.
    """

    id: str
    layer: Layer | None = None
    keys: tuple[str, ...] = ()
    status: Status = Status.FAIL
    name: bool = False


Found = tuple[str, Layer, Status, tuple[str, ...]]
"""Of a finding: its id, its layer, its status, and the keys that it blames."""

_STORE, _ARCHIL, _E2B, _SMTP = "object_store.assets", "sandbox.storage.archil", "sandbox.e2b", "email.smtp"
_GOOGLE = "services.control_plane_api.auth.google"
_CLIENT = (f"{_GOOGLE}.client_id", f"{_GOOGLE}.client_secret")
_SECURE, _HOST, _PORT = ((f"{_SMTP}.{name}",) for name in ("secure", "host", "port"))

_DOCKER_SILENT = {"docker": Verdict("docker.silent")}
_NO_CERTIFICATE = {"publish": Verdict("publish.no-certificate", status=Status.WARN)}
_DEAD_ADDRESS = Verdict("network.address-unreachable", Layer.CONNECT, status=Status.WARN)
_SILENT = {"": Verdict("network.silent")} | _DOCKER_SILENT | _NO_CERTIFICATE
_RESET = {"": Verdict("network.reset")} | _DOCKER_SILENT | _NO_CERTIFICATE
_BACKEND_DOWN = {"postgres, TLS": Verdict("postgres.pooler-backend-down", Layer.ACCESS)}
_FOREIGN = {
    "postgres": Verdict("postgres.not-postgres", Layer.AUTH),
    "valkey": Verdict("valkey.not-valkey"),
    "object store": Verdict("object-store.not-s3", Layer.ACCESS),
    "smtp": Verdict("smtp.not-smtp", keys=_PORT),
    "docker": Verdict("docker.not-docker"),
    "e2b": Verdict("e2b.unexpected-reply"),
    "archil": Verdict("archil.unexpected-reply"),
    "service": Verdict("http.not-mistle"),
    "dashboard": Verdict("http.not-mistle"),
    "tunnel": Verdict("tunnel.not-gateway"),
    "otlp": Verdict("otlp.not-otlp"),
    "google": Verdict("google.unexpected-reply", keys=_CLIENT),
}
_FOREIGN_TO_TLS = {
    **_FOREIGN,
    "TLS": Verdict("network.plaintext-on-tls"),
    "smtp, secure": _FOREIGN["smtp"],
    "publish, TLS": _NO_CERTIFICATE["publish"],
}
_REFUSALS = {
    "postgres": Verdict("postgres.password-rejected"),
    "valkey": Verdict("valkey.password-rejected"),
    "object store": Verdict("object-store.unknown-access-key", keys=(f"{_STORE}.access_key_id",)),
    "smtp": Verdict("smtp.greeting-refused", Layer.ACCESS, _HOST),
    "docker": Verdict("docker.call-refused"),
    "e2b": Verdict("e2b.key-rejected", keys=(f"{_E2B}.api_key",)),
    "archil": Verdict("archil.key-rejected", keys=(f"{_ARCHIL}.api_key",)),
    "service": Verdict("http.redirects"),
    "dashboard": Verdict("http.redirects", status=Status.WARN),
    "tunnel": Verdict("tunnel.redirects"),
    "otlp": Verdict("otlp.refused"),
    "google": Verdict("google.client-rejected", keys=_CLIENT),
}


def _connect(id_: str, docker: str) -> Mapping[str, Verdict]:
    warning = Verdict(id_, Layer.CONNECT, status=Status.WARN)
    return {"": Verdict(id_, Layer.CONNECT), "docker": Verdict(docker), "publish": warning}


def _certificate(id_: str) -> Mapping[str, Verdict]:
    return {"": Verdict(id_, name=True)} | _NO_CERTIFICATE


# By a row's name; by its kind with ", TLS"; by "TLS", where its first byte is TLS's; by its kind; by "".
_VERDICTS: Mapping[str, Mapping[str, Verdict]] = {
    "name not found": {
        "": Verdict("network.name-not-found", Layer.DNS, name=True),
        "publish": Verdict("publish.no-wildcard", Layer.DNS),
    },
    "name server is silent": {"": Verdict("network.dns-timeout", Layer.DNS, name=True)},
    "refused": _connect("network.refused", docker="docker.daemon-down"),
    "packets dropped": _connect("network.timeout", docker="docker.silent"),
    "one address of two is dead": _REFUSALS,
    "silent": _SILENT,
    "reset after connect": _RESET,
    # A Unix socket knows no reset, and HTTP that ends among its headers is empty to the SDK.
    "reset half way through the first words": _RESET | {"docker": Verdict("docker.not-docker")},
    "garbage": _FOREIGN_TO_TLS,
    "endless garbage": _FOREIGN_TO_TLS,
    "one byte a second": _SILENT,
    "TLS where plaintext is expected": {
        "": Verdict("network.tls-on-plaintext"),
        "valkey": Verdict("valkey.tls-required"),
        "smtp": Verdict("smtp.tls-from-first-byte", Layer.TLS, _SECURE),
    },
    "plaintext where TLS is expected": {
        "": Verdict("network.plaintext-on-tls"),
        "postgres": Verdict("postgres.tls-refused", Layer.AUTH),
        "smtp, STARTTLS": Verdict("smtp.starttls-refused", keys=_HOST),
        "smtp, secure": Verdict("smtp.plaintext", keys=_SECURE),
    }
    | _NO_CERTIFICATE,
    "certificate expired": _certificate("tls.expired"),
    "certificate for another host": _certificate("tls.wrong-host"),
    "certificate of an unknown CA": _certificate("tls.untrusted"),
    "certificate self-signed": _certificate("tls.self-signed"),
    "silence within TLS": _SILENT | _BACKEND_DOWN,
    # After STARTTLS no second connection tells what it is that never ends a line.
    "garbage within TLS": _FOREIGN | {"smtp, STARTTLS": Verdict("network.silent")},
    "endless garbage within TLS": _FOREIGN,
    "answer cut, then closed": _RESET,
    "answer cut, then silence": _SILENT | _BACKEND_DOWN,
    "terminal escapes in its words": _REFUSALS,
}


def expected(row: Row, fault: Fault) -> tuple[Found, ...]:
    """All that is to be found wrong, from the lowest rung up."""
    warnings = [_DEAD_ADDRESS] if fault.name == "one address of two is dead" else []
    return tuple(_found(row, fault, verdict) for verdict in (*warnings, *_verdicts(row, fault)))


def _verdicts(row: Row, fault: Fault) -> Iterator[Verdict]:
    """The first that is named, of the names by which a row may be."""
    table = _VERDICTS[fault.name]
    names = (row.name, f"{row.kind}, TLS" if row.tls else None, None if row.begins_plain else "TLS", row.kind, "")
    return islice((table[name] for name in names if name in table), 1)


def _found(row: Row, fault: Fault, verdict: Verdict) -> Found:
    keys = verdict.keys or (row.keys[:1] if verdict.name else row.keys)
    return verdict.id, verdict.layer or row.rung(fault.stage), min(verdict.status, row.worst), keys


_OF_CERTIFICATES = {fault.name for fault in FAULTS if fault.name.startswith("certificate")}
_OF_TWO_NAMES = {"name not found", "name server is silent", "one address of two is dead"}
_TLS_AT_ALL = {"plaintext where TLS is expected", *_OF_CERTIFICATES}
_PLAIN_AT_ALL = {"TLS where plaintext is expected"}
_WITHIN_TLS = {fault.name for fault in FAULTS if fault.name.endswith("within TLS")}
_IN_WORDS = {*_WITHIN_TLS, "answer cut, then closed", "answer cut, then silence", "terminal escapes in its words"}

# Why there is no such cell, for which faults and rows.
NOT_APPLICABLE: tuple[tuple[str, set[str], Callable[[Row], bool]], ...] = (
    ("a Unix socket has neither name nor addresses", _OF_TWO_NAMES, lambda row: row.is_local),
    ("nobody speaks TLS over a Unix socket", _PLAIN_AT_ALL | _TLS_AT_ALL, lambda row: row.is_local),
    ("this form expects no TLS", _TLS_AT_ALL, lambda row: not row.tls),
    ("this form expects no plaintext", _PLAIN_AT_ALL, lambda row: not row.begins_plain),
    ("without TLS it is the fault of the same name without it", _WITHIN_TLS, lambda row: not row.tls),
    ("the climb ends with the handshake", _IN_WORDS, lambda row: row.kind == "publish"),
)


def not_applicable(row: Row, fault: Fault) -> str:
    """Why there is no such cell; "" where there is one."""
    reasons = (reason for reason, faults, concerns in NOT_APPLICABLE if fault.name in faults and concerns(row))
    return next(reasons, "")
