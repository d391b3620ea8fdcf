"""The stand-ins for services behave as their docstrings say."""

import socket
import time
from dataclasses import replace

import jwt
import pytest
import requests

from preflight.demo.servers.mistle import (
    DASHBOARD_ORIGIN,
    TOKEN,
    Gateway,
    Service,
    control_plane_api,
    dashboard,
    data_plane_api,
)
from preflight.demo.servers.otlp import collector
from preflight.demo.servers.publishing import BOOTSTRAP_PATH, COOKIE, Publishing
from preflight.demo.servers.tunnel import BOOTSTRAP, Signature
from tests.harness import profiles
from tests.servers.archil import KEY as ARCHIL_KEY
from tests.servers.archil import archil
from tests.servers.e2b import KEY as E2B_KEY
from tests.servers.e2b import e2b
from tests.servers.google import CLIENT_ID, CLIENT_SECRET, google
from tests.testbed import Authority, valkey_server, web_server

pytestmark = profiles.long  # the tests of each kind show this too

UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
INTERNAL = [
    (control_plane_api(), "/internal/sandbox-runtime/preflight", 404),
    (data_plane_api(), "/internal/sandbox/instances", 400),
    (Gateway().application(), "/internal/sandbox-instances/x/runtime-state", 200),
]


@pytest.mark.parametrize(("app", "path", "status"), INTERNAL)
def test_service_token(app: object, path: str, status: int) -> None:
    with web_server(app) as web:
        assert ask(web.url, path).status_code == 401
        assert ask(web.url, path, **{"x-mistle-service-token": "wrong"}).json()["code"] == "UNAUTHORIZED"
        assert ask(web.url, path, **{"x-mistle-service-token": TOKEN}).status_code == status
        assert [each.headers.get("x-mistle-service-token") for each in web.requests] == [None, "wrong", TOKEN]


def test_service_faults() -> None:
    with web_server(data_plane_api(Service(healthy=False, checks_token=False, release="1.3.9"))) as web:
        assert ask(web.url, "/__healthz").status_code == 503
        assert ask(web.url, "/internal/sandbox/instances").status_code == 400
        assert ask(web.url, "/openapi.json").json()["info"]["version"] == "1.3.9"


def test_service_cors() -> None:
    with web_server(control_plane_api()) as web:
        reply = ask(web.url, "/__healthz", Origin=DASHBOARD_ORIGIN)
        assert reply.json() == {"ok": True}
        assert reply.headers["Access-Control-Allow-Origin"] == DASHBOARD_ORIGIN
        assert reply.headers["Access-Control-Allow-Credentials"] == "true"
        assert "Access-Control-Allow-Origin" not in ask(web.url, "/__healthz", Origin="http://other").headers


def test_dashboard_tls(authority: Authority) -> None:
    with web_server(dashboard(), certificate=authority.leaf()) as web, authority.trusted() as roots:
        reply = requests.get(f"{web.url}/any/path", verify=roots, timeout=5)
        assert reply.headers["Content-Type"].startswith("text/html")


RIGHT = Signature()


def connect_token(signature: Signature = RIGHT, sandbox: str = "x", **claims: object) -> str:
    now = int(time.time())
    claims = {"iss": signature.issuer, "aud": signature.audience, "sandboxInstanceId": sandbox} | claims
    return jwt.encode({"jti": "1", "iat": now, "exp": now + 60} | claims, signature.secret)


REFUSED = [
    connect_token(Signature(secret="another-secret-of-at-least-32-bytes")),
    connect_token(Signature(issuer="another")),
    connect_token(Signature(audience="another")),
    connect_token(sandbox="y"),
    connect_token(exp=1),
    "no.token.atall",
    "",
]


def test_tunnel_decides_in_order() -> None:
    gateway = Gateway()
    with web_server(gateway.application()) as web:
        assert tunnel(web.port, connect_token(), upgrade="") == 400
        assert {tunnel(web.port, token) for token in REFUSED} == {401}
        assert tunnel(web.port, connect_token()) == 409
        assert tunnel(web.port, connect_token(), path="/x") == 404
        assert gateway.writes == []


def test_tunnel_open_to_anyone() -> None:
    with web_server(Gateway(checks_tunnel=False).application()) as web:
        assert tunnel(web.port, "") == 101


def bootstrap_token(signature: Signature = BOOTSTRAP, sandbox: str = "x", **claims: object) -> str:
    lifetimes = {"bootstrapTokenTtlSeconds": 60, "exchangeTokenTtlSeconds": 60}
    return connect_token(signature, sandbox, **(lifetimes | claims))


REFUSED_EXCHANGES = [
    bootstrap_token(Signature()),
    bootstrap_token(replace(BOOTSTRAP, issuer="another")),
    bootstrap_token(replace(BOOTSTRAP, audience="another")),
    bootstrap_token(sandbox="y"),
    bootstrap_token(exp=1),
    connect_token(BOOTSTRAP),
    "",
]


def test_exchange_decides_in_order() -> None:
    gateway = Gateway(sandboxes=frozenset({"mine"}))
    with web_server(gateway.application()) as web:
        assert {exchange(web.url, token).status_code for token in REFUSED_EXCHANGES} == {401}
        absent = exchange(web.url, bootstrap_token())
        assert (absent.status_code, absent.json()["error"]) == (404, "Sandbox instance was not found.")
        assert gateway.writes == []
        assert exchange(web.url, bootstrap_token(sandbox="mine"), "mine").status_code == 200
        assert gateway.writes == ["exchanged for mine"]
    with web_server(Gateway(postgres="postgresql://127.0.0.1:1/d").application()) as web:
        assert exchange(web.url, REFUSED_EXCHANGES[0]).status_code == 401
        assert exchange(web.url, bootstrap_token()).status_code == 500


HOST = "p-3000--pa.sandboxes.localhost"
"""That of the sandbox "x"."""


def published(**changes: object) -> dict[str, object]:
    """The claims of an access token or a session's cookie."""
    return {"sandboxInstanceId": "x", "port": 3000, "host": HOST, "exp": int(time.time()) + 60} | changes


def test_publishing_decides_in_order() -> None:
    publishing = Publishing()
    access = {"iss": publishing.access.issuer, "aud": publishing.access.audience, "iat": int(time.time())}
    gateway = Gateway()
    with web_server(gateway.application()) as web:

        def opened(token: str, host: str = HOST) -> int:
            return ask(web.url, f"{BOOTSTRAP_PATH}?token={token}", Host=host).status_code

        right = jwt.encode(access | published(), publishing.access.secret)
        assert opened("") == 400
        assert opened(jwt.encode(access | published(), "another-secret-of-at-least-32-bytes")) == 401
        assert opened(jwt.encode(access | published(iss="another"), publishing.access.secret)) == 401
        assert (opened(right, "gateway"), opened(right, f"{HOST}.other"), opened(right)) == (403, 403, 502)
        cookies = {secret: jwt.encode(published(), secret) for secret in (publishing.cookie_secret, "w" * 32)}
        shown = [ask(web.url, "/any", Host=HOST, Cookie=f"{COOKIE}={cookie}") for cookie in cookies.values()]
        assert [reply.status_code for reply in shown] == [502, 401]
        assert ask(web.url, "/any", Host=HOST).status_code == 401
        assert ask(web.url, "/any", Host="gateway").status_code == 404
        assert ask(web.url, "/__healthz", Host=HOST).json() == {"ok": True}
    assert gateway.writes == []


def test_apis_read() -> None:
    member = {"x-mistle-service-token": TOKEN}
    with web_server(data_plane_api()) as data, web_server(control_plane_api(data_plane=data.url)) as control:
        assert ask(data.url, "/internal/sandbox/instances/x", **member).status_code == 400
        assert ask(data.url, "/internal/sandbox/instances/x?organizationId=o", **member).json() is None
        for path, body, code in (
            ("integration-credentials/resolve", ("connectionId", "bindingId", "secretType"), "CONNECTION_NOT_FOUND"),
            ("sandbox-runtime/get-sandbox-instance", ("organizationId", "instanceId"), "INSTANCE_NOT_FOUND"),
        ):
            url = f"{control.url}/internal/{path}"
            assert requests.post(url, json=dict.fromkeys(body, "x"), timeout=5).status_code == 401
            assert requests.post(url, json={}, headers=member, timeout=5).status_code == 400
            assert requests.post(url, json=dict.fromkeys(body, "x"), headers=member, timeout=5).json()["code"] == code


def test_gateway_needs_valkey() -> None:
    with valkey_server() as valkey, web_server(Gateway(valkey=valkey.url()).application()) as web:
        assert runtime_state(web.url) == 200
        valkey.stop()
        assert runtime_state(web.url) == 500
        with web_server(Gateway(valkey=valkey.url()).application()) as late, pytest.raises(ConnectionRefusedError):
            tunnel(late.port, "")


def test_e2b() -> None:
    with web_server(e2b(own=["own"], foreign=["foreign"])) as web:
        for alias, status in {"own": 200, "foreign": 403, "absent": 404}.items():
            assert ask(web.url, f"/templates/aliases/{alias}", **{"X-API-KEY": E2B_KEY}).status_code == status
        assert ask(web.url, "/v2/sandboxes?limit=1", **{"X-API-KEY": E2B_KEY}).json() == []
        assert ask(web.url, "/templates/aliases/own", **{"X-API-KEY": "wrong"}).json()["code"] == 401
    with web_server(e2b(busy=True)) as web:
        assert ask(web.url, "/v2/sandboxes").status_code == 429


def test_archil() -> None:
    with web_server(archil()) as web:
        assert ask(web.url, "/api/disks?limit=1", Authorization=ARCHIL_KEY).json() == {"success": True, "data": []}
        assert ask(web.url, "/api/disks?limit=1", Authorization=f"Bearer {ARCHIL_KEY}").json()["success"] is False


def test_collector() -> None:
    with web_server(collector()) as web:
        for path, status in {"/v1/traces": 200, "/v1/nothing": 404}.items():
            assert requests.post(web.url + path, json={"resourceSpans": []}, timeout=5).status_code == status
        assert web.requests[0].body == b'{"resourceSpans": []}'


def test_google() -> None:
    form = {"grant_type": "authorization_code", "code": "x", "client_id": CLIENT_ID}
    with web_server(google()) as web:
        for secret, error in {CLIENT_SECRET: "invalid_grant", "wrong": "invalid_client"}.items():
            reply = requests.post(f"{web.url}/token", data=form | {"client_secret": secret}, timeout=5)
            assert reply.json()["error"] == error


def ask(url: str, path: str, **headers: str) -> requests.Response:
    return requests.get(url + path, headers=headers, timeout=5)


def exchange(url: str, token: str, sandbox: str = "x") -> requests.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return requests.post(f"{url}/tunnel/sandbox/{sandbox}/token-exchange", headers=headers, timeout=5)


def runtime_state(url: str) -> int:
    return ask(url, "/internal/sandbox-instances/x/runtime-state", **{"x-mistle-service-token": TOKEN}).status_code


def tunnel(port: int, token: str, path: str = "/tunnel/sandbox/x", upgrade: str = UPGRADE) -> int:
    """The status of the reply to an upgrade request."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(f"GET {path}?connect_token={token} HTTP/1.1\r\nHost: gateway\r\n{upgrade}\r\n".encode())
        return int(connection.recv(1024).split()[1])
