"""Servers that are slow: each kind tells them from silent ones, and knows how long Mistle's own client waits."""

import asyncio
from collections.abc import Callable, Mapping

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from checks.core.finding import Layer, Status
from preflight.demo.servers.mistle import DASHBOARD_ORIGIN, TOKEN, Gateway, control_plane_api, data_plane_api
from preflight.demo.servers.otlp import collector
from preflight.demo.servers.tunnel import Signature
from tests.harness import profiles
from tests.harness.relays import delayed
from tests.harness.run_check import CheckRun, run_check
from tests.testbed import Engine, ObjectStore, PgBouncer, Postgres, Smtp, Valkey
from tests.testbed.object_store import BUCKET
from tests.testbed.web import web_server

API, DATA, GATEWAY = (f"services.{name}" for name in ("control_plane_api", "data_plane_api", "data_plane_gateway"))
TOKEN_KEY = "internal_auth.shared_token.token"


def late(app: ASGIApp, seconds: float, path: str = "/", header: bytes = b"") -> ASGIApp:
    """The application, which replies late to requests for this path (with this header)."""

    async def waiting(scope: Scope, receive: Receive, send: Send) -> None:
        names = {name for name, _ in scope.get("headers", [])}
        if scope["type"] == "http" and scope["path"].startswith(path) and (not header or header in names):
            await asyncio.sleep(seconds)
        await app(scope, receive, send)

    return waiting


def service(name: str, app: ASGIApp, timeout: float = 10.0) -> CheckRun:
    with web_server(app) as web:
        return run_check(f"{name}.internal", {f"{name}.internal_url": web.url, TOKEN_KEY: TOKEN}, timeout=timeout)


APPS: Mapping[str, Callable[[], ASGIApp]] = {
    API: control_plane_api,
    DATA: data_plane_api,
    GATEWAY: lambda: Gateway().application(),
}


@pytest.mark.parametrize("name", profiles.first(1, APPS))
def test_service_that_needs_longer_than_mistle_waits(name: str) -> None:
    result = service(name, late(APPS[name](), 3.1))
    finding = result.fails("http.slow", Layer.AUTH, f"{name}.internal_url", hint="look at the load")
    assert finding.message.startswith("GET /__healthz is answered after 3.")
    assert "give up after 3 s" in finding.message


@profiles.long
@pytest.mark.parametrize(
    ("name", "path"), [(API, "/internal/integration-credentials/"), (DATA, "/internal/sandbox/instances/")]
)
def test_only_what_needs_the_database_is_slow(name: str, path: str) -> None:
    result = service(name, late(APPS[name](), 3.2, path))
    finding = result.fails("http.slow", Layer.ACCESS, f"{name}.internal_url", hint="its database")
    assert path in finding.message


@profiles.long
@pytest.mark.parametrize("name", APPS)
def test_only_the_internal_route_is_slow(name: str) -> None:
    result = service(name, late(APPS[name](), 3.2, "/internal/"))
    result.fails("http.slow", Layer.AUTH, f"{name}.internal_url", hint="its database")


@profiles.long
def test_public_url_may_be_slow() -> None:
    with web_server(late(control_plane_api(), 3.2)) as web:
        values = {f"{API}.public_url": web.url, "services.dashboard.public_url": DASHBOARD_ORIGIN}
        result = run_check(f"{API}.public", values, timeout=10.0)
    assert result.status is Status.OK, result


def slow(result: CheckRun, layer: Layer, *keys: str, id_: str = "network.slow", status: Status = Status.FAIL) -> None:
    (finding,) = (each for each in result.findings if each.status >= Status.WARN)
    assert (finding.id, finding.layer, finding.fields, finding.status) == (id_, layer, keys, status), result
    assert "an earlier reply took " in finding.message
    assert "right service" not in finding.hint
    assert "--timeout" in finding.hint


@profiles.long
def test_valkey(valkey: Valkey) -> None:
    """Its login is answered late, its commands are not in time."""
    with delayed(valkey.port, 1.5, replies=1) as port:
        values = {"kv.data_plane.url": f"redis://127.0.0.1:{port}/1", "kv.data_plane.key_prefix": "m"}
        result = run_check("kv.data_plane", values, timeout=5.0)
    slow(result, Layer.AUTH, "kv.data_plane.url")


@profiles.long
@pytest.mark.parametrize("way", ["direct", "pooled"])
def test_postgres(postgres: Postgres, way: str) -> None:
    name = f"postgres.data_plane.{way}"
    with delayed(postgres.port, 2.0) as port:
        url = postgres.url().replace(f":{postgres.port}/", f":{port}/")
        result = run_check(name, {f"{name}_url": url}, stage="before-deploy", timeout=5.0)
    result.fails("postgres.slow-link", Layer.AUTH, f"{name}_url", hint="--timeout")


@profiles.long
@pytest.mark.parametrize("way", ["direct", "pooled"])
def test_postgres_with_replies_after_a_second_and_a_half(postgres: Postgres, pgbouncer: PgBouncer, way: str) -> None:
    """With the time that a check has by default, it says that the link is slow, or nothing."""
    name, server = f"postgres.data_plane.{way}", postgres if way == "direct" else pgbouncer
    with delayed(server.port, 1.5) as port:
        url = server.url().replace(f":{server.port}/", f":{port}/")
        result = run_check(name, {f"{name}_url": url}, stage="before-deploy", timeout=10.0)
    assert {each.id for each in result.findings if each.status >= Status.WARN} <= {"postgres.slow-link"}, result


@profiles.long
def test_smtp(smtp: Smtp) -> None:
    with delayed(smtp.ports["plain"], 2.0) as port:
        values = {"host": "127.0.0.1", "port": port, "secure": False, "username": "u", "password": "p"}
        settings = {f"email.smtp.{key}": value for key, value in values.items()}
        result = run_check("email.smtp", {**settings, "email.smtp.from_address": "a@mistle.test"}, timeout=5.0)
    slow(result, Layer.TLS, "email.smtp.host", "email.smtp.port")


@profiles.long
def test_object_store(store: ObjectStore) -> None:
    with delayed(store.port, 2.0) as port:
        values = {
            "bucket_name": BUCKET,
            "region": store.region,
            "access_key_id": store.owner.access_key_id,
            "secret_access_key": store.owner.secret_access_key,
            "force_path_style": True,
            "endpoint": f"http://127.0.0.1:{port}",
        }
        settings = {f"object_store.assets.{key}": value for key, value in values.items()}
        result = run_check("object_store.assets", settings, timeout=5.0)
    slow(result, Layer.AUTH, "object_store.assets.endpoint")


@profiles.long
def test_docker(engine: Engine) -> None:
    with delayed(engine.socket, 1.5) as place:
        values = {"sandbox.docker.socket_path": str(place), "sandbox.provider": "docker"}
        result = run_check("sandbox.docker", {**values, "sandbox.default_base_image": "alpine:3.20"}, timeout=5.0)
    assert "docker.slow" in {finding.id for finding in result.findings}, result


@profiles.long
def test_tunnel() -> None:
    """The refusal comes in time, the reply to the token does not."""
    key = f"{GATEWAY}.sandbox_ws_internal_url"
    with web_server(Gateway().application()) as web, delayed(web.port, 2.0) as port:
        right = Signature()
        tokens = {f"sandbox.tokens.connect.{name}": getattr(right, name) for name in ("secret", "issuer", "audience")}
        values = {key: f"ws://127.0.0.1:{port}/tunnel/sandbox", **tokens}
        result = run_check(f"{GATEWAY}.sandbox_ws_internal", values, timeout=3.5)
    slow(result, Layer.AUTH, key)


@profiles.long
def test_web_server_that_answers_other_requests() -> None:
    """A collector that replies to other requests, and to the export never."""
    with web_server(late(collector(), 60, "/v1/")) as web:
        values = {"telemetry.enabled": True, "telemetry.traces.endpoint": f"{web.url}/v1/traces"}
        result = run_check("telemetry.traces", values, timeout=2.0)
    finding = result.warns("network.silent", Layer.ACCESS, "telemetry.traces.endpoint", hint="it is not hung")
    assert "it has replied before" in finding.message


@profiles.long
def test_service_that_hangs_after_quick_replies() -> None:
    """It is silent, and certainly the right service: no hint doubts the port."""
    result = service(API, late(control_plane_api(), 60, "/internal/", b"x-mistle-service-token"), timeout=2.0)
    finding = result.fails("network.silent", Layer.AUTH, f"{API}.internal_url", hint="make sure that it is not hung")
    assert "it has replied before" in finding.message
    assert "port" not in finding.hint
