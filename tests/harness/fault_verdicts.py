"""The expected findings of each cell of the fault matrix: a verdict for each fault, unless the row has its own."""

from collections.abc import Callable, Mapping

from checks.core.finding import Layer, Status
from tests.harness.fault_columns import FAULTS, Fault
from tests.harness.fault_rows import Row, Verdict

ExpectedFinding = tuple[str, Layer, Status, tuple[str, ...]]
"""A finding's id, its layer, its status, and the keys that it blames."""

_DEAD_ADDRESS = Verdict("network.address-unreachable", Layer.CONNECT, status=Status.WARN)
_SILENT, _RESET = Verdict("network.silent"), Verdict("network.reset")
_FOREIGN = {"garbage within TLS", "endless garbage within TLS"}
_FOREIGN_OR_NO_TLS = {"garbage", "endless garbage"}
_REFUSED = {"one address of two is dead", "terminal escapes in its text"}
_VERDICTS: Mapping[str, Verdict] = {
    "name not found": Verdict("network.name-not-found", Layer.DNS, name=True),
    "name server is silent": Verdict("network.dns-timeout", Layer.DNS, name=True),
    "refused": Verdict("network.refused", Layer.CONNECT),
    "packets dropped": Verdict("network.timeout", Layer.CONNECT),
    "silent": _SILENT,
    "reset after connect": _RESET,
    "reset within the first message": _RESET,
    "one byte a second": _SILENT,
    "TLS where plaintext is expected": Verdict("network.tls-on-plaintext"),
    "plaintext where TLS is expected": Verdict("network.plaintext-on-tls"),
    "certificate expired": Verdict("tls.expired", name=True),
    "certificate for another host": Verdict("tls.wrong-host", name=True),
    "certificate of an unknown CA": Verdict("tls.untrusted", name=True),
    "certificate self-signed": Verdict("tls.self-signed", name=True),
    "silence within TLS": _SILENT,
    "reply cut, then closed": _RESET,
    "reply cut, then silence": _SILENT,
}


def expected(row: Row, fault: Fault) -> tuple[ExpectedFinding, ...]:
    """All findings that are not OK, from the lowest layer up."""
    warning = _DEAD_ADDRESS if fault.name == "one address of two is dead" else None
    return tuple(_finding(row, fault, verdict) for verdict in (warning, _verdict(row, fault)) if verdict)


def _verdict(row: Row, fault: Fault) -> Verdict | None:
    if fault.name in row.verdicts:
        return row.verdicts[fault.name]
    if fault.name == "one byte a second" and row.tls:
        return Verdict("tls.stalled")
    if fault.name in _REFUSED:
        return row.refused
    if fault.name in _FOREIGN_OR_NO_TLS:
        return row.foreign if row.begins_plain else _VERDICTS["plaintext where TLS is expected"]
    return row.foreign if fault.name in _FOREIGN else _VERDICTS[fault.name]


def _finding(row: Row, fault: Fault, verdict: Verdict) -> ExpectedFinding:
    keys = verdict.keys or (row.keys[:1] if verdict.name else row.keys)
    return verdict.id, verdict.layer or row.layer(fault.point), min(verdict.status, row.worst), keys


_OF_CERTIFICATES = {fault.name for fault in FAULTS if fault.name.startswith("certificate")}
_OF_TWO_NAMES = {"name not found", "name server is silent", "one address of two is dead"}
_TLS_AT_ALL = {"plaintext where TLS is expected", *_OF_CERTIFICATES}
_PLAIN_AT_ALL = {"TLS where plaintext is expected"}
_WITHIN_TLS = {fault.name for fault in FAULTS if fault.name.endswith("within TLS")}
_IN_REPLIES = {*_WITHIN_TLS, "reply cut, then closed", "reply cut, then silence", "terminal escapes in its text"}

# The reason why a cell does not exist, its faults and its rows.
NOT_APPLICABLE: tuple[tuple[str, set[str], Callable[[Row], bool]], ...] = (
    ("a Unix socket has neither name nor addresses", _OF_TWO_NAMES, lambda row: row.is_local),
    ("a Unix socket has no TLS", _PLAIN_AT_ALL | _TLS_AT_ALL, lambda row: row.is_local),
    ("this form expects no TLS", _TLS_AT_ALL, lambda row: not row.tls),
    ("this form expects no plaintext", _PLAIN_AT_ALL, lambda row: not row.begins_plain),
    ("without TLS it is the fault of the same name without it", _WITHIN_TLS, lambda row: not row.tls),
    ("the check ends with the handshake", _IN_REPLIES, lambda row: not row.protocol.reply),
)


def not_applicable(row: Row, fault: Fault) -> str:
    """The reason why this cell does not exist; "" if it does."""
    reasons = (reason for reason, faults, concerns in NOT_APPLICABLE if fault.name in faults and concerns(row))
    return next(reasons, "")
