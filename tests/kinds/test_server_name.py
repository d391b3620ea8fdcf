"""Host names that end in a dot, for every kind: verified without it and sent with it, as Node.js does; and no name."""

import os
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from checks.core.finding import Layer, Status
from checks.net.endpoint import Endpoint
from preflight.demo.servers.mistle import TOKEN, Gateway, data_plane_api
from preflight.demo.servers.otlp import collector
from preflight.demo.servers.tunnel import Signature
from tests.harness import faults, profiles
from tests.harness.mail_server import aiosmtpd_server
from tests.harness.provider_override import run_check_at
from tests.harness.run_check import CheckRun, run_check
from tests.servers.e2b import KEY, e2b
from tests.testbed import (
    Authority,
    NameServer,
    Smtp,
    image_registry,
    name_server,
    object_store,
    postgres_server,
    proxy,
    smtp_server,
    valkey_server,
    web_server,
)
from tests.testbed.names import can_change_names
from tests.testbed.object_store import BUCKET, OWNER
from tests.testbed.smtp import ADDRESS, PASSWORD, USER

pytestmark = pytest.mark.skipif(not can_change_names(), reason="needs root, to give a thread another resolv.conf")

API, VALKEY = "services.data_plane_api.internal", "kv.data_plane"
Values = Mapping[str, object]


@pytest.fixture(scope="module")
def names() -> Iterator[NameServer]:
    """Replies for ``localhost.`` too, which no file of this machine holds."""
    with name_server({"localhost": ["127.0.0.1"]}) as server:
        yield server


def api(port: int) -> Values:
    return {f"{API}_url": f"https://localhost.:{port}", "internal_auth.shared_token.token": TOKEN}


def valkey(port: int) -> Values:
    return {f"{VALKEY}.url": f"rediss://localhost.:{port}", f"{VALKEY}.key_prefix": "mistle"}


def tunnel(port: int) -> Values:
    url, right = f"wss://localhost.:{port}/tunnel/sandbox", Signature()
    return {"services.data_plane_gateway.sandbox_ws_internal_url": url} | {
        f"sandbox.tokens.connect.{name}": getattr(right, name) for name in ("secret", "issuer", "audience")
    }


def otlp(port: int) -> Values:
    return {"telemetry.enabled": True, "telemetry.traces.endpoint": f"https://localhost.:{port}/v1/traces"}


def smtp(port: int, secure: bool) -> Values:
    values = {"host": "localhost.", "port": port, "secure": secure, "username": USER, "password": PASSWORD}
    values |= {"from_address": ADDRESS}
    return {"global.env": "development"} | {f"email.smtp.{name}": value for name, value in values.items()}


def assets(port: int) -> Values:
    values = {"endpoint": f"https://localhost.:{port}", "bucket_name": BUCKET, "region": "us-east-1"}
    values |= {"force_path_style": True}
    values |= {"access_key_id": OWNER.access_key_id, "secret_access_key": OWNER.secret_access_key}
    return {f"object_store.assets.{name}": value for name, value in values.items()}


def check(
    names: NameServer, trusted: Path, name: str, values: Values, stage: str = "live", **options: object
) -> CheckRun:
    """A run of one check for which ``localhost.`` resolves."""
    return names.asked_by(lambda: run_check(name, values, stage=stage, extra=trusted, **options))  # type: ignore[arg-type]


# The name is verified without the dot


WEB = {API: (data_plane_api, api), "telemetry.traces": (collector, otlp)}
WEB["services.data_plane_gateway.sandbox_ws_internal"] = (lambda: Gateway().application(), tunnel)


@pytest.mark.parametrize("name", WEB)
def test_web(names: NameServer, authority: Authority, trusted: Path, name: str) -> None:
    app, values = WEB[name]
    with web_server(app(), authority.leaf()) as web:
        found = check(names, trusted, name, values(web.port))
        hosts = {request.headers["host"] for request in web.requests}
    assert found.status is Status.OK, str(found)
    assert hosts == {f"localhost.:{web.port}"}  # as Node.js sends it


def test_e2b(names: NameServer, authority: Authority, trusted: Path) -> None:
    values = {"sandbox.provider": "e2b", "sandbox.default_base_image": "ghcr.io/mistlehq/sandbox-base:latest"}
    values |= {"sandbox.e2b.api_key": KEY}
    with web_server(e2b(), authority.leaf()) as web:
        at = Endpoint("https", "localhost.", web.port)
        found = names.asked_by(lambda: run_check_at(at, "sandbox.e2b", values, extra=trusted))
    assert found["e2b.tls"].status is found["e2b.auth"].status is Status.OK, found


def test_valkey(names: NameServer, authority: Authority, trusted: Path) -> None:
    with valkey_server(certificate=authority.leaf()) as server:
        assert check(names, trusted, VALKEY, valkey(server.port)).status is Status.OK


@profiles.covering
@pytest.mark.parametrize("mode", ["verify-full", "no-verify", "require"])
@pytest.mark.parametrize("plane", ["direct", "pooled"])
def test_postgres(names: NameServer, postgres: Callable[..., str], trusted: Path, plane: str, mode: str) -> None:
    name = f"postgres.data_plane.{plane}"
    found = check(names, trusted, name, {f"{name}_url": postgres(sslmode=mode)}, "before-deploy")
    assert found["postgres.tls"].status is found["postgres.auth"].status is Status.OK, found


@pytest.fixture(scope="module")
def postgres(authority: Authority) -> Iterator[Callable[..., str]]:
    with postgres_server(certificate=authority.leaf()) as server:
        yield lambda **query: server.url(**query).replace("127.0.0.1", "localhost.")


@pytest.mark.parametrize(("role", "secure"), [("submissions", True), ("submission", False)])
def test_smtp(names: NameServer, mail: Smtp, trusted: Path, role: str, secure: bool) -> None:
    found = check(names, trusted, "email.smtp", smtp(mail.ports[role], secure))
    assert found.status is Status.OK, found


@pytest.fixture(scope="module")
def mail(authority: Authority) -> Iterator[Smtp]:
    with smtp_server(certificate=authority.leaf()) as server:
        yield server


@profiles.long
def test_object_store(names: NameServer, authority: Authority, trusted: Path) -> None:
    with object_store(certificate=authority.leaf()) as server:
        found = check(names, trusted, "object_store.assets", assets(server.port))
    assert found["object-store.tls"].status is Status.OK
    found.fails("object-store.bucket-missing", Layer.ACCESS, "object_store.assets.endpoint", hint="remove the dot")


# The name is sent with the dot


def test_server_that_accepts_no_dot(names: NameServer, authority: Authority, trusted: Path) -> None:
    with image_registry(certificate=authority.leaf()) as server:  # written in Go, whose TLS accepts none
        found = check(names, trusted, API, api(server.port))
    finding = found.fails("tls.trailing-dot", Layer.TLS, f"{API}_url", hint="remove the dot at the end of the host in ")
    assert (
        finding.message == "for the name localhost., the server refuses the handshake: sslv3 alert unexpected message"
    )


CASES: Mapping[str, tuple[str, Callable[[int], Values], str]] = {
    "tunnel": ("services.data_plane_gateway.sandbox_ws_internal", tunnel, "sandbox_ws_internal_url"),
    "otlp": ("telemetry.traces", otlp, "telemetry.traces.endpoint"),
    "object_store": ("object_store.assets", assets, "object_store.assets.endpoint"),
}


@profiles.long
@pytest.mark.parametrize("case", CASES)
def test_every_kind_over_http(names: NameServer, authority: Authority, trusted: Path, case: str) -> None:
    name, values, _ = CASES[case]
    with without_dot(authority) as context, faults.tls_port(context) as port:
        found = check(names, trusted, name, values(port))
    assert found["tls.trailing-dot"].fields == tuple(key for key in values(port) if key.endswith(CASES[case][2]))
    assert found["tls.trailing-dot"].status is found.status


@profiles.long
def test_certificate_for_another_name(names: NameServer, authority: Authority, trusted: Path) -> None:
    other = authority.leaf("other.example").context()
    with without_dot(authority, other) as context, faults.tls_port(context) as port:
        found = check(names, trusted, API, api(port))
    assert "other names: other.example" in found["tls.trailing-dot"].message


@profiles.long
@pytest.mark.parametrize("secure", [True, False])
def test_mail_server_that_accepts_no_dot(names: NameServer, authority: Authority, trusted: Path, secure: bool) -> None:
    with (
        without_dot(authority) as context,
        aiosmtpd_server(**{"ssl_context" if secure else "tls_context": context}) as port,
    ):
        found = check(names, trusted, "email.smtp", smtp(port, secure))
    found.fails("tls.trailing-dot", Layer.TLS, "email.smtp.host", hint="remove the dot")


@contextmanager
def without_dot(authority: Authority, instead: ssl.SSLContext | None = None) -> Iterator[ssl.SSLContext]:
    """A server's context that refuses a name with a dot at its end, or has another certificate for it."""
    context = authority.leaf().context()

    def choose(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> int | None:
        if not (name or "").endswith("."):
            return None
        if instead:
            connection.context = instead
            return None
        return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

    context.sni_callback = choose
    yield context


# No name


def test_server_that_needs_a_name(names: NameServer, authority: Authority, trusted: Path) -> None:
    with proxy("http://127.0.0.1:9", certificate=authority.leaf(), needs_name=True) as server:
        values = {f"{VALKEY}.url": f"rediss://localhost:{server.port}", f"{VALKEY}.key_prefix": "mistle"}
        found = check(names, trusted, VALKEY, values)
    finding = found.fails("tls.needs-server-name", Layer.TLS, f"{VALKEY}.url", hint="default certificate")
    assert "without a name, the server refuses the handshake" in finding.message


def test_certificates_from_a_pipe_are_read_once(names: NameServer, authority: Authority, tmp_path: Path) -> None:
    pipe = tmp_path / "ca.pem"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(authority.pem,))
    writer.start()
    with valkey_server(certificate=authority.leaf()) as server:
        found = check(names, pipe, VALKEY, valkey(server.port))
    writer.join()
    assert found.status is Status.OK, str(found)
