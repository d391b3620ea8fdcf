"""The tunnel, on a gateway that verifies tokens, directly and through proxies."""

import socket
from pathlib import Path

import jwt
import pytest
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from checks.core.finding import Layer, Status
from preflight.demo.servers.mistle import Gateway, control_plane_api, dashboard
from preflight.demo.servers.tunnel import BOOTSTRAP, CLAIMS, Signature
from preflight.plan.resources.tunnel import RESOURCES
from tests.harness import answers, faults, floods, hostile_replies, profiles, text_servers_http
from tests.harness.descriptor import Descriptor, DriverError, Family, Target, WebCheck, each_scene
from tests.harness.fault_rows import ELSEWHERE, Protocol, Verdict, at_url
from tests.harness.fault_rows import http as over_http
from tests.harness.run_check import CheckRun, planned, run_check
from tests.testbed import Authority
from tests.testbed.proxy import proxy
from tests.testbed.web import web_server

NAME = "services.data_plane_gateway.sandbox_ws_internal"
PUBLIC = "services.data_plane_gateway.sandbox_ws_public"
URL = f"{NAME}_url"
SECRET, ISSUER, AUDIENCE = (f"sandbox.tokens.connect.{field}" for field in ("secret", "issuer", "audience"))
RIGHT = Signature()


def values(url: str, signature: Signature = RIGHT) -> dict[str, object]:
    tokens = {SECRET: signature.secret, ISSUER: signature.issuer, AUDIENCE: signature.audience}
    return {URL: url, f"{PUBLIC}_url": url, **tokens}


def check(server_url: str, signature: Signature = RIGHT, path: str = "/tunnel/sandbox", **options: object) -> CheckRun:
    url = server_url.replace("http", "ws", 1) + path
    return run_check(NAME, values(url, signature), **options)  # type: ignore[arg-type]


def test_name_that_only_sandboxes_have(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **_options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    alias = values("ws://host.docker.internal:8084/tunnel/sandbox")
    result = run_check(NAME, alias | {"sandbox.provider": "docker"})
    assert {(finding.status, finding.fields) for finding in result.findings} == {(Status.SKIP, (URL,))}
    assert "a name that Mistle gives to each sandbox" in result.findings[0].message
    run_check(NAME, alias | {"sandbox.provider": "e2b"}).fails(
        "network.name-not-found", Layer.DNS, URL, hint="host name"
    )


def answering(reply: Response) -> ASGIApp:
    """Sends the same reply to every request for a WebSocket."""

    async def refuse(socket: WebSocket) -> None:
        await socket.send_denial_response(reply)

    return Starlette(routes=[WebSocketRoute("/{path:path}", refuse)])


@profiles.quick
def test_every_layer_passes_without_effect(gateway: Gateway) -> None:
    with web_server(gateway.application()) as web:
        result = check(web.url)
    result.passes("tunnel.auth", Layer.AUTH, URL, SECRET, ISSUER, AUDIENCE)
    assert [finding.layer for finding in result.findings] == ["dns", "connect", "auth"]
    first, second = web.requests
    assert first.target.startswith("/tunnel/sandbox/mistle-preflight-")
    assert "token" not in first.target
    path, _, token = second.target.partition("?connect_token=")
    claims = jwt.decode(token, RIGHT.secret, ["HS256"], audience=RIGHT.audience, issuer=RIGHT.issuer)
    assert sorted(claims) == sorted(CLAIMS)
    assert path == first.target == f"/tunnel/sandbox/{claims['sandboxInstanceId']}"
    assert first.body == second.body == b""


def test_public_and_internal_url_at_one_address_are_one_check() -> None:
    public, internal = (planned(name, values("ws://gateway:8084/tunnel/sandbox")) for name in (PUBLIC, NAME))
    assert public == internal


def test_query_is_kept(gateway: Gateway) -> None:
    with web_server(gateway.application()) as web:
        assert check(web.url, path="/tunnel/sandbox?region=eu").status is Status.OK
        assert [request.target.count("?region=eu") for request in web.requests] == [1, 1]
        assert "?region=eu&connect_token=" in web.requests[1].target
        check(web.url, path="/?region=eu").fails("tunnel.path-missing", Layer.AUTH, URL, hint="/tunnel/sandbox")


@pytest.mark.parametrize("path", ["/tunnel/sandbox", "/tunnel/sandbox/"])
def test_tls_through_a_proxy(gateway: Gateway, authority: Authority, path: str) -> None:
    leaf = authority.leaf()
    with (
        authority.trusted() as extra,
        web_server(gateway.application()) as web,
        proxy(web.url, "passes", leaf) as front,
    ):
        result = check(f"https://127.0.0.1:{front.port}", path=path, extra=Path(extra))
    assert result.status is Status.OK, result
    assert result["tunnel.tls"].layer is Layer.TLS


@pytest.mark.parametrize(
    "wrong",
    [
        Signature(secret="another-secret-0123456789abcdef"),
        Signature(secret="short"),
        Signature(issuer="data-plane-gateway"),
        Signature(audience="control-plane-api"),
        Signature(issuer="data-plane-gateway", audience="control-plane-api"),
    ],
    ids=["secret", "short", "issuer", "audience", "swapped"],
)
def test_token_rejected(gateway: Gateway, wrong: Signature) -> None:
    with web_server(gateway.application()) as web:
        result = check(web.url, wrong)
    finding = result.fails("tunnel.token-rejected", Layer.AUTH, SECRET, ISSUER, AUDIENCE, hint="must not be swapped")
    assert f"{SECRET} (mistle.toml), {ISSUER} (mistle.toml) and {AUDIENCE} (mistle.toml)" in finding.hint
    assert wrong.secret not in str(result)


def test_proxy_without_upgrade_header(gateway: Gateway) -> None:
    with web_server(gateway.application()) as web, proxy(web.url, "strips_upgrade") as front:
        result = check(f"http://127.0.0.1:{front.port}")
    finding = result.fails("tunnel.not-upgraded", Layer.AUTH, URL, hint="proxy_set_header Upgrade")
    assert "400" in finding.message
    assert not any("connect_token" in request.target for request in web.requests)


def test_upgrade_required_426() -> None:
    with web_server(answering(PlainTextResponse("Upgrade Required", 426))) as web:
        check(web.url).fails("tunnel.not-upgraded", Layer.AUTH, URL, hint="Upgrade")


@pytest.mark.parametrize("path", ["", "/", "/tunnel", "/sandbox"])
def test_path_missing(gateway: Gateway, path: str) -> None:
    with web_server(gateway.application()) as web:
        result = check(web.url, path=path)
    finding = result.fails("tunnel.path-missing", Layer.AUTH, URL, hint=f"end {URL} (mistle.toml) with /tunnel/sandbox")
    assert "404" in finding.message


def test_url_with_a_path_prefix(gateway: Gateway) -> None:
    with web_server(Starlette(routes=[Mount("/gateway", gateway.application())])) as web:
        assert check(web.url, path="/gateway/tunnel/sandbox").status is Status.OK
        check(web.url, path="/gateway").fails("tunnel.path-missing", Layer.AUTH, URL, hint="/tunnel/sandbox")


@pytest.mark.parametrize("app", [control_plane_api(), dashboard()], ids=["the API", "the dashboard"])
@pytest.mark.parametrize("path", ["/tunnel/sandbox", "/"])
def test_another_mistle_service(app: ASGIApp, path: str) -> None:
    with web_server(app) as web:
        result = check(web.url, path=path)
    result.fails("tunnel.not-gateway", Layer.AUTH, URL, hint="name the gateway")


def test_html_page() -> None:
    with proxy("http://127.0.0.1:1", "page") as server:
        finding = check(f"http://127.0.0.1:{server.port}").fails(
            "tunnel.not-gateway", Layer.AUTH, URL, hint="name the gateway"
        )
    assert "200 text/html (nginx" in finding.message


@pytest.mark.parametrize("reply", [PlainTextResponse("", 403), HTMLResponse("<p>?", 404), Response(status_code=204)])
def test_not_gateway(reply: Response) -> None:
    with web_server(answering(reply)) as web:
        finding = check(web.url).fails("tunnel.not-gateway", Layer.AUTH, URL, hint="name the gateway")
    assert str(reply.status_code) in finding.message


SIGN_INS = pytest.mark.parametrize(
    "reply",
    [
        Response(status_code=401, headers={"www-authenticate": 'Basic realm="staff"'}),
        HTMLResponse("<p>Sign in", 401),
        JSONResponse({"message": "Unauthorized"}, 401),
    ],
    ids=["www-authenticate", "page", "JSON"],
)


@SIGN_INS
@pytest.mark.parametrize("path", ["/tunnel/sandbox", "/"])
def test_login_page_in_front(reply: Response, path: str) -> None:
    with web_server(answering(reply)) as web:
        finding = check(web.url, path=path).fails("proxy.login-required", Layer.AUTH, URL, hint="without its login")
    assert "401" in finding.message
    assert not any("connect_token" in request.target for request in web.requests)


@SIGN_INS
def test_login_page_for_requests_with_a_token(reply: Response) -> None:
    async def refuse(socket: WebSocket) -> None:
        has_token = "connect_token" in socket.query_params
        await socket.send_denial_response(reply if has_token else Response(status_code=401))

    with web_server(Starlette(routes=[WebSocketRoute("/{path:path}", refuse)])) as web:
        finding = check(web.url).fails("proxy.login-required", Layer.AUTH, URL, hint="without its login")
    assert "a connect token is answered 401" in finding.message


def test_server_that_accepts_any_token() -> None:
    """No real gateway does; a WebSocket server of another product may."""

    async def upgrade(socket: WebSocket) -> None:
        if "connect_token" in socket.query_params:
            await socket.accept()
            return
        await socket.send_denial_response(Response(status_code=401))

    with web_server(Starlette(routes=[WebSocketRoute("/{path:path}", upgrade)])) as web:
        finding = check(web.url).fails("tunnel.not-gateway", Layer.AUTH, URL, hint="name the gateway")
    assert "answered 101, and not 409" in finding.message


@pytest.mark.parametrize("data", [b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\n\r\n"])
def test_malformed_handshake(data: bytes) -> None:
    with faults.http_port(data) as port:
        finding = check(f"http://127.0.0.1:{port}").fails("tunnel.not-gateway", Layer.AUTH, URL, hint="gateway")
    assert "not a handshake" in finding.message


def test_redirect_is_not_followed(gateway: Gateway) -> None:
    with web_server(gateway.application()) as web:
        reply = Response(status_code=307, headers={"location": f"{web.url}/tunnel/sandbox/x?token=abc"})
        with web_server(answering(reply)) as front:
            result = check(front.url)
        assert web.requests == []
    finding = result.fails("tunnel.redirects", Layer.AUTH, URL, hint="wss://")
    assert finding.message.endswith("/tunnel/sandbox/x")


def test_redirect_to_https() -> None:
    with proxy("http://127.0.0.1:1", "redirects") as server:
        check(f"http://127.0.0.1:{server.port}").fails("tunnel.redirects", Layer.AUTH, URL, hint="wss:// for https://")


def test_proxy_without_its_gateway() -> None:
    with proxy("http://127.0.0.1:1") as server:
        result = check(f"http://127.0.0.1:{server.port}")
    finding = result.fails("tunnel.bad-gateway", Layer.AUTH, URL, hint="upstream")
    assert "502" in finding.message


def test_gateway_error_for_a_token() -> None:
    async def fail(socket: WebSocket) -> None:
        status = 500 if "connect_token" in socket.query_params else 401
        await socket.send_denial_response(Response(status_code=status))

    with web_server(Starlette(routes=[WebSocketRoute("/{path:path}", fail)])) as web:
        check(web.url).fails("tunnel.bad-gateway", Layer.AUTH, URL, hint="look at its log")


def test_open_to_anyone() -> None:
    gateway = Gateway(checks_tunnel=False)
    with web_server(gateway.application()) as web:
        result = check(web.url)
    result.fails("tunnel.open-to-anyone", Layer.AUTH, URL, hint="require a token")
    (path,) = gateway.writes  # the test gateway records the open tunnel; no message was sent
    assert path.startswith("/tunnel/sandbox/mistle-preflight-")
    (request,) = web.requests
    assert request.body == b""


def test_ws_to_a_tls_port(gateway: Gateway, authority: Authority) -> None:
    with web_server(gateway.application(), authority.leaf()) as web:
        result = check(web.url.replace("https", "http"))
    result.fails("network.tls-on-plaintext", Layer.AUTH, URL, hint="scheme with TLS")
    with proxy("http://127.0.0.1:1", certificate=authority.leaf()) as server:
        result = check(f"http://127.0.0.1:{server.port}")
    result.fails("network.tls-on-plaintext", Layer.AUTH, URL, hint="scheme with TLS")


def test_wss_to_a_plaintext_port(gateway: Gateway) -> None:
    with web_server(gateway.application()) as web:
        result = check(web.url.replace("http", "https"))
    result.fails("network.plaintext-on-tls", Layer.TLS, URL, hint="without TLS")


def test_silent_port() -> None:
    with faults.silent_port() as port:
        result = check(f"http://127.0.0.1:{port}", timeout=1.0)
    result.fails("network.silent", Layer.AUTH, URL, hint="not hung")


def test_closing_port() -> None:
    with faults.closing_port() as port:
        result = check(f"http://127.0.0.1:{port}")
    result.fails("network.reset", Layer.AUTH, URL, hint="the server's own log")


@pytest.mark.parametrize(
    "data", [b"HTTP/1.1 401 Unauthorized\r\n\r\n", b"HTTP/1.1 401 No\r\nConnection: close\r\n\r\n"]
)
def test_refusal_without_headers(data: bytes) -> None:
    """A Node.js server writes such a refusal to the socket, without length and date."""
    with faults.http_port(data) as port:
        result = check(f"http://127.0.0.1:{port}")
    result.fails("tunnel.token-rejected", Layer.AUTH, SECRET, ISSUER, AUDIENCE, hint="clocks")


def test_endless_reply() -> None:
    """The check reads a limited part of it, and judges that."""
    with faults.endless_port(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 4096) as port:
        result = check(f"http://127.0.0.1:{port}")
    result.fails("tunnel.not-gateway", Layer.AUTH, URL, hint="send this path to it")


@pytest.mark.parametrize("name", [NAME, PUBLIC])
def test_before_deployment_only_the_name_is_resolved(name: str) -> None:
    result = run_check(name, values("wss://localhost:1/tunnel/sandbox"), stage="before-deploy")
    assert result.status is Status.SKIP, result
    assert result["tunnel.dns"].status is Status.OK
    assert [finding.message for finding in result.findings[1:]] == ["not up yet"] * 3


def test_before_deployment_a_missing_name_is_a_warning() -> None:
    result = run_check(NAME, values("ws://gateway.mistle.invalid/tunnel/sandbox"), stage="before-deploy")
    result.warns("network.name-not-found", Layer.DNS, URL, hint="DNS")


def test_secret_and_token_are_in_no_text(gateway: Gateway, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    subject = planned(NAME, values("ws://gateway:8084/tunnel/sandbox"))
    assert subject.target == "ws://gateway:8084/tunnel/sandbox"
    assert RIGHT.secret not in repr(subject)
    with web_server(gateway.application()) as web:
        result = check(web.url, Signature(secret="another-secret-0123456789abcdef"))
    assert "eyJ" not in str(result) + caplog.text


def test_secret_in_the_form_of_a_key_pair(gateway: Gateway) -> None:
    pem = "-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----"
    with web_server(gateway.application()) as web:
        result = check(web.url, Signature(secret=pem))
    assert result.status is Status.SKIP, result
    assert result["tunnel.auth"].fields == (SECRET, ISSUER, AUDIENCE)


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        ("control_plane_api", {PUBLIC}),
        ("control_plane_worker", set()),
        ("data_plane_api", set()),
        ("data_plane_gateway", {NAME, PUBLIC}),
        ("data_plane_worker", {NAME}),
        ("dashboard", {PUBLIC}),
        ("control_plane_migrations", set()),
        ("data_plane_migrations", set()),
    ],
)
def test_services_that_use_the_tunnel(service: str, expected: set[str]) -> None:
    assert {resource.name for resource in RESOURCES if service in resource.services} == expected


def test_proxy_variables_change_nothing(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "WS_PROXY", "ws_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with web_server(gateway.application()) as web:
        assert check(web.url).status is Status.OK


# For the attacks on all kinds

_FAMILY = Family(
    checks="services.data_plane_gateway.sandbox_ws",
    scenes=text_servers_http.TUNNEL,
    settings={
        f"services.data_plane_gateway.sandbox_ws_{way}_url": "ws://{address}/tunnel/sandbox"
        for way in ("internal", "public")
    },
    path="^/tunnel(/|$)",
    right=text_servers_http.tunnel,
)
_PROTOCOL = Protocol(Layer.AUTH, reply=over_http("401 Unauthorized", ""), refusal=ELSEWHERE)
_CONNECT = {SECRET: "connect-secret", ISSUER: "connect-issuer", AUDIENCE: "connect-audience"}
DESCRIPTOR = Descriptor(
    rows=tuple(
        at_url(
            "tunnel",
            _PROTOCOL,
            NAME,
            URL,
            f"{scheme}://{{host}}:{{place}}/tunnel/sandbox",
            (Verdict("tunnel.not-gateway"), Verdict("tunnel.redirects")),
            **_CONNECT,
        )
        for scheme in ("ws", "wss")
    ),
    targets={
        "tunnel": Target(
            name=NAME,
            key=URL,
            values=lambda address: {
                URL: f"ws://{address}/tunnel/sandbox",
                SECRET: "s" * 40,
                ISSUER: "i",
                AUDIENCE: "a",
            },
            servers=each_scene("tunnel", _FAMILY),
            floods=floods.OVER_HTTP | {"a frame of a gigabyte": floods.frame},
            flood_findings=frozenset(
                {"tunnel.not-gateway", "tunnel.bad-gateway", "tunnel.open-to-anyone", "network.reset", "proxy.refused"}
            ),
            tls_values={URL: "wss://localhost:{}/tunnel/sandbox"},
            texts={
                "the content's type": hostile_replies.served(hostile_replies.content_type),
                "a redirect": hostile_replies.served(hostile_replies.redirect),
            },
            driver_error=DriverError(
                "websockets.datastructures.Headers.raw_items",
                "websockets.datastructures",
                answers.always(answers.reply("401 Unauthorized")),
                "tunnel.unexpected-reply",
                Layer.AUTH,
            ),
        )
    },
    families={
        "tunnel": _FAMILY,
    },
    web_checks={"tunnel": WebCheck("`tunnel`", NAME, lambda: Gateway().application(), URL, "/tunnel/sandbox")},
    web_settings={
        f"sandbox.tokens.{kind}.{name}": getattr(signature, name)
        for kind, signature in (("connect", RIGHT), ("bootstrap", BOOTSTRAP))
        for name in ("secret", "issuer", "audience")
    },
)
