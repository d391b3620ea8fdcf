"""The domain of published sandboxes, with a real name server."""

import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from checks.core.finding import Layer, Status
from checks.publish import Publish
from preflight.demo.servers.mistle import Gateway
from preflight.demo.servers.publishing import Publishing
from tests.harness import answers, faults
from tests.harness.descriptor import Descriptor, DriverError, RunAt, Target, WebCheck
from tests.harness.fault_rows import Protocol, Row, Verdict
from tests.harness.provider_override import run_check_changed
from tests.harness.run_check import CheckRun, run_check
from tests.testbed import Authority
from tests.testbed.certificates import self_signed
from tests.testbed.names import NameServer, can_change_names, name_server
from tests.testbed.web import web_server

KEY, GATEWAY = "sandbox.publish_base_domain", "services.data_plane_gateway.internal_url"

pytestmark = pytest.mark.skipif(not can_change_names(), reason="needs root, to give a thread another resolv.conf")


@pytest.fixture(scope="module")
def names() -> Iterator[NameServer]:
    with name_server({"*.apps.test": ["127.0.0.1"], "apps2.test": ["127.0.0.1"]}, silent=["silent.test"]) as server:
        yield server


def check(names: NameServer, domain: str, env: str = "development", **options: object) -> CheckRun:
    values = {"global.env": env, KEY: domain}
    return names.asked_by(lambda: run_check(KEY, values, **options))  # type: ignore[arg-type]


def test_wildcard(names: NameServer) -> None:
    result = check(names, "apps.test")
    result.passes("publish.dns", Layer.DNS, KEY)
    assert [finding.layer for finding in result.findings] == [Layer.DNS]


def test_no_wildcard(names: NameServer) -> None:
    check(names, "apps2.test").fails("publish.no-wildcard", Layer.DNS, KEY, hint="wildcard record")


def test_silent_name_server(names: NameServer) -> None:
    check(names, "silent.test", timeout=1.0).fails("network.dns-timeout", Layer.DNS, KEY, hint="resolv.conf")


def rotating(monkeypatch: pytest.MonkeyPatch, answers: list[list[str]]) -> CheckRun:
    """A run in which each look-up gets the next answer, as from a load balancer or an inventive resolver."""
    answer = iter(answers)

    def getaddrinfo(_host: object, port: object, *_more: object, **_options: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in next(answer)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return run_check(KEY, {"global.env": "development", KEY: "apps.test"})


def test_load_balancer_that_rotates_its_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = [f"192.0.2.{number}" for number in range(1, 7)]
    for some in (1, 2, 4):
        answers = [(pool * 10)[start : start + some] for start in range(0, 50, some)]
        rotating(monkeypatch, answers).passes("publish.dns", Layer.DNS, KEY)


def test_names_with_different_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    result = rotating(monkeypatch, [[f"192.0.2.{number}"] for number in range(1, 100)])
    result.warns("publish.no-wildcard", Layer.DNS, KEY, hint="wildcard record")
    assert "192.0.2.1 and 192.0.2.2" in result["publish.no-wildcard"].message


def in_production(names: NameServer, port: int, monkeypatch: pytest.MonkeyPatch, **options: object) -> CheckRun:
    """The ingress listens on ``port``: an unprivileged or busy machine has no port 443 free."""
    monkeypatch.setattr(Publish, "__init__", _at(port))
    return check(names, "apps.test", "production", **options)


def _at(port: int, original: Callable[..., None] = Publish.__init__) -> Callable[..., None]:
    return lambda self, **fields: original(self, **(fields | {"port": port}))


def test_wildcard_certificate(names: NameServer, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    with authority.trusted() as path, faults.tls_port(authority.leaf("*.apps.test").context()) as port:
        result = in_production(names, port, monkeypatch, extra=Path(path))
    assert result.status is Status.OK, result
    assert result["publish.tls"].fields == (KEY,)


@pytest.mark.parametrize("certified", ["apps.test", "*.other.test"])
def test_certificate_for_other_names(
    names: NameServer, authority: Authority, monkeypatch: pytest.MonkeyPatch, certified: str
) -> None:
    with authority.trusted() as path, faults.tls_port(authority.leaf(certified).context()) as port:
        result = in_production(names, port, monkeypatch, extra=Path(path))
    result.warns("publish.no-certificate", Layer.TLS, KEY, hint="certificate for *.<domain>")


def test_reason_that_is_not_the_names_has_its_own_hint(
    names: NameServer, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    with authority.trusted() as path:
        for leaf, hint in (
            (authority.expired("*.apps.test"), "renew the certificate"),
            (authority.not_yet_valid("*.apps.test"), "clock of this machine"),
            (self_signed("*.apps.test"), "public authority"),
            (Authority().leaf("*.apps.test"), "public authority"),
        ):
            with faults.tls_port(leaf.context()) as port:
                result = in_production(names, port, monkeypatch, extra=Path(path))
            result.warns("publish.no-certificate", Layer.TLS, KEY, hint=hint)


def test_ingress_refuses_connections(names: NameServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with faults.refused_port() as port:
        result = in_production(names, port, monkeypatch)
    result.warns("network.refused", Layer.CONNECT, KEY, hint="start the service")
    assert result["publish.tls"].message == "not reached"


@pytest.mark.parametrize("fault", [faults.http_port, faults.closing_port, faults.silent_port])
def test_ingress_without_tls(names: NameServer, monkeypatch: pytest.MonkeyPatch, fault: Callable[..., object]) -> None:
    with fault() as port:  # type: ignore[attr-defined]
        result = in_production(names, port, monkeypatch, timeout=1.5)
    result.warns("publish.no-certificate", Layer.TLS, KEY, hint="certificate")


def test_before_deployment_only_dns(names: NameServer) -> None:
    result = check(names, "apps.test", "production", stage="before-deploy")
    assert [finding.layer for finding in result.findings] == [Layer.DNS]


def test_missing_wildcard_hides_no_verdict_of_the_gateway(names: NameServer) -> None:
    values = {**_GATEWAYS, "global.env": "development", KEY: "apps2.test"}
    with web_server(Gateway(publishing=Publishing(base_domain="apps2.test")).application()) as web:
        result = names.asked_by(lambda: run_check(KEY, {**values, GATEWAY: web.url}))
    result.fails("publish.no-wildcard", Layer.DNS, KEY, hint="wildcard record")
    assert [finding.status for finding in result.findings] == [Status.FAIL] + [Status.OK] * 3


def test_verdict_of_the_gateway_hides_no_missing_wildcard(names: NameServer) -> None:
    with web_server(Gateway().application()) as web:
        values = {**_GATEWAYS, "global.env": "development", KEY: "apps2.test", GATEWAY: web.url}
        result = names.asked_by(lambda: run_check(KEY, values))
    failed = [finding.id for finding in result.findings if finding.status is Status.FAIL]
    assert failed == ["publish.no-wildcard", "publish.domain-differs"]


# For the attacks on all kinds

_NO_CERTIFICATE = Verdict("publish.no-certificate", status=Status.WARN)
_FAULTS = ("silent", "reset after connect", "reset within the first message", "garbage", "endless garbage")
_CERTIFICATES = ("expired", "for another host", "of an unknown CA", "self-signed")


@contextmanager
def _with_tls(authority: Authority, roots: Path) -> Iterator[tuple[int, RunAt]]:
    if not can_change_names():
        pytest.skip("needs root, for names of its own")
    values = {"global.env": "production", KEY: "apps.test"}
    with (
        name_server({"*.apps.test": [faults.LOOPBACK]}) as names,
        faults.tls_port(authority.leaf("*.apps.test").context()) as ingress,
    ):
        yield ingress, lambda port: names.asked_by(lambda: run_check_changed({"port": port}, KEY, values, extra=roots))


_PUBLISHING = Publishing()
_GATEWAYS: Mapping[str, object] = {
    KEY: _PUBLISHING.base_domain,
    **{
        f"sandbox.publish.access_token.{name}": getattr(_PUBLISHING.access, name)
        for name in ("secret", "issuer", "audience")
    },
    "sandbox.publish.session.cookie_signing_secret": _PUBLISHING.cookie_secret,
}
_REFUSING = answers.always(answers.reply("401 Unauthorized", "no", "Content-Type: text/plain"))
DESCRIPTOR = Descriptor(
    rows=(
        Row(
            "publish, https",
            Protocol(Layer.TLS, reply=b""),
            KEY,
            {"global.env": "production", KEY: "{host}"},
            (KEY,),
            foreign=_NO_CERTIFICATE,
            refused=None,
            tls=True,
            pointed=lambda _host, port: {"port": port},
            verdicts={
                "name not found": Verdict("publish.no-wildcard", Layer.DNS),
                "refused": Verdict("network.refused", Layer.CONNECT, status=Status.WARN),
                "packets dropped": Verdict("network.timeout", Layer.CONNECT, status=Status.WARN),
                **dict.fromkeys(
                    (*_FAULTS, "one byte a second", "plaintext where TLS is expected", "silence within TLS"),
                    _NO_CERTIFICATE,
                ),
                **{f"certificate {fault}": _NO_CERTIFICATE for fault in _CERTIFICATES},
            },
        ),
    ),
    targets={
        "publish": Target(
            name=KEY,
            key=GATEWAY,
            values=lambda address: {**_GATEWAYS, GATEWAY: f"http://{address}"},
            servers=(_REFUSING,),
            floods={},  # a gateway that cannot be asked is the matter of its own check
            texts={},
            driver_error=DriverError(
                "httpx.Response.aiter_raw", "httpx._models", _REFUSING, "publish.unexpected-reply", Layer.CONNECT
            ),
        )
    },
    families={},
    settings={KEY: "x" * 64 + ".test"},  # no name server is asked for a label that long
    web_checks={
        "publishing, at the gateway": WebCheck("`publish`, gateway", KEY, lambda: Gateway().application(), GATEWAY)
    },
    web_settings=_GATEWAYS,
    connections={"`publish`, ingress": _with_tls},
)
