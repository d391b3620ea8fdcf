"""The tunnel, on a gateway that verifies tokens, straight and through proxies."""

from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from checks.core.check import Layer, Status
from preflight.plan.resources.tunnel import RESOURCES
from tests.harness import answers, faults, floods, hostile_replies, profiles, text_servers_http
from tests.harness.descriptor import Descriptor, DriverError, Family, Target, WebCheck, each_scene
from tests.harness.fault_rows import ELSEWHERE, Protocol, Verdict, at_url
from tests.harness.fault_rows import http as over_http
from tests.harness.run_check import CheckRun, planned, run_check
from tests.servers.mistle import Gateway, control_plane_api, dashboard
from tests.servers.tunnel import CLAIMS, Signature
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


def check(place: str, signature: Signature = RIGHT, path: str = "/tunnel/sandbox", **options: object) -> CheckRun:
    url = place.replace("http", "ws", 1) + path
    return run_check(NAME, values(url, signature), **options)  # type: ignore[arg-type]


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    """Whatever a test does, the gateway was made to write nothing."""
    gateway = Gateway()
    yield gateway
    assert gateway.writes == []


def answering(reply: Response) -> ASGIApp:
    """Says the same to every request for a WebSocket."""

    async def refuse(socket: WebSocket) -> None:
        await socket.send_denial_response(reply)

    return Starlette(routes=[WebSocketRoute("/{path:path}", refuse)])


@profiles.quick
def test_every_rung_passes_without_effect(gateway: Gateway) -> None:
    with web_server(gateway.application()) as web:
        found = check(web.url)
    found.passes("tunnel.auth", Layer.AUTH, URL, SECRET, ISSUER, AUDIENCE)
    assert [finding.layer for finding in found.findings] == ["dns", "connect", "auth"]
    stranger, member = web.requests
    assert stranger.target.startswith("/tunnel/sandbox/mistle-preflight-")
    assert "token" not in stranger.target
    path, _, token = member.target.partition("?connect_token=")
    claims = jwt.decode(token, RIGHT.secret, ["HS256"], audience=RIGHT.audience, issuer=RIGHT.issuer)
    assert sorted(claims) == sorted(CLAIMS)
    assert path == stranger.target == f"/tunnel/sandbox/{claims['sandboxInstanceId']}"
    assert stranger.body == member.body == b""


def test_both_urls_at_one_place_are_one_check() -> None:
    public, internal = (planned(name, values("ws://gateway:8084/tunnel/sandbox")) for name in (PUBLIC, NAME))
    assert public == internal


@pytest.mark.parametrize("path", ["/tunnel/sandbox", "/tunnel/sandbox/"])
def test_tls_passes_through_a_proxy(gateway: Gateway, authority: Authority, path: str) -> None:
    leaf = authority.leaf()
    with (
        authority.trusted() as extra,
        web_server(gateway.application()) as web,
        proxy(web.url, "passes", leaf) as front,
    ):
        found = check(f"https://127.0.0.1:{front.port}", path=path, extra=Path(extra))
    assert found.status is Status.OK, found
    assert found["tunnel.tls"].layer is Layer.TLS


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
def test_another_secret_issuer_or_audience(gateway: Gateway, wrong: Signature) -> None:
    with web_server(gateway.application()) as web:
        found = check(web.url, wrong)
    finding = found.fails("tunnel.token-rejected", Layer.AUTH, SECRET, ISSUER, AUDIENCE, hint="must not be swapped")
    assert f"{SECRET} (mistle.toml), {ISSUER} (mistle.toml) and {AUDIENCE} (mistle.toml)" in finding.hint
    assert wrong.secret not in str(found)


def test_a_proxy_that_strips_upgrade(gateway: Gateway) -> None:
    with web_server(gateway.application()) as web, proxy(web.url, "strips_upgrade") as front:
        found = check(f"http://127.0.0.1:{front.port}")
    finding = found.fails("tunnel.not-upgraded", Layer.AUTH, URL, hint="proxy_set_header Upgrade")
    assert "400" in finding.message
    assert not any("connect_token" in request.target for request in web.requests)


def test_an_upgrade_that_is_required() -> None:
    with web_server(answering(PlainTextResponse("Upgrade Required", 426))) as web:
        check(web.url).fails("tunnel.not-upgraded", Layer.AUTH, URL, hint="Upgrade")


@pytest.mark.parametrize("path", ["", "/", "/tunnel", "/sandbox"])
def test_a_url_without_its_path(gateway: Gateway, path: str) -> None:
    with web_server(gateway.application()) as web:
        found = check(web.url, path=path)
    finding = found.fails("tunnel.path-missing", Layer.AUTH, URL, hint=f"end {URL} (mistle.toml) with /tunnel/sandbox")
    assert "404" in finding.message


def test_a_url_with_a_path_of_a_proxy(gateway: Gateway) -> None:
    with web_server(Starlette(routes=[Mount("/gateway", gateway.application())])) as web:
        assert check(web.url, path="/gateway/tunnel/sandbox").status is Status.OK
        check(web.url, path="/gateway").fails("tunnel.path-missing", Layer.AUTH, URL, hint="/tunnel/sandbox")


@pytest.mark.parametrize("app", [control_plane_api(), dashboard()], ids=["the API", "the dashboard"])
@pytest.mark.parametrize("path", ["/tunnel/sandbox", "/"])
def test_another_of_mistles_services(app: ASGIApp, path: str) -> None:
    with web_server(app) as web:
        found = check(web.url, path=path)
    found.fails("tunnel.not-gateway", Layer.AUTH, URL, hint="name the gateway")


def test_a_page_answers() -> None:
    with proxy("http://127.0.0.1:1", "page") as server:
        finding = check(f"http://127.0.0.1:{server.port}").fails(
            "tunnel.not-gateway", Layer.AUTH, URL, hint="name the gateway"
        )
    assert "200 text/html (nginx" in finding.message


@pytest.mark.parametrize("reply", [PlainTextResponse("", 403), HTMLResponse("<p>?", 404), Response(status_code=204)])
def test_something_else_answers(reply: Response) -> None:
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
def test_a_sign_in_before_the_gateway(reply: Response, path: str) -> None:
    with web_server(answering(reply)) as web:
        finding = check(web.url, path=path).fails("tunnel.not-gateway", Layer.AUTH, URL, hint="the proxy in front")
    assert "401" in finding.message
    assert not any("connect_token" in request.target for request in web.requests)


@SIGN_INS
def test_a_sign_in_that_a_token_meets(reply: Response) -> None:
    async def refuse(socket: WebSocket) -> None:
        is_member = "connect_token" in socket.query_params
        await socket.send_denial_response(reply if is_member else Response(status_code=401))

    with web_server(Starlette(routes=[WebSocketRoute("/{path:path}", refuse)])) as web:
        finding = check(web.url).fails("tunnel.not-gateway", Layer.AUTH, URL, hint="the proxy in front")
    assert "and not 409" in finding.message


def test_a_server_that_takes_any_token() -> None:
    """No real gateway does; a WebSocket server of another product may."""

    async def upgrade(socket: WebSocket) -> None:
        if "connect_token" in socket.query_params:
            await socket.accept()
            return
        await socket.send_denial_response(Response(status_code=401))

    with web_server(Starlette(routes=[WebSocketRoute("/{path:path}", upgrade)])) as web:
        finding = check(web.url).fails("tunnel.not-gateway", Layer.AUTH, URL, hint="name the gateway")
    assert "answered 101, and not 409" in finding.message


@pytest.mark.parametrize("words", [b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\n\r\n"])
def test_no_handshake(words: bytes) -> None:
    with faults.http_port(words) as port:
        finding = check(f"http://127.0.0.1:{port}").fails("tunnel.not-gateway", Layer.AUTH, URL, hint="gateway")
    assert "not a handshake" in finding.message


def test_a_redirect_is_not_followed(gateway: Gateway) -> None:
    with web_server(gateway.application()) as web:
        reply = Response(status_code=307, headers={"location": f"{web.url}/tunnel/sandbox/x?token=abc"})
        with web_server(answering(reply)) as front:
            found = check(front.url)
        assert web.requests == []
    finding = found.fails("tunnel.redirects", Layer.AUTH, URL, hint="wss://")
    assert finding.message.endswith("/tunnel/sandbox/x")


def test_a_redirect_to_https() -> None:
    with proxy("http://127.0.0.1:1", "redirects") as server:
        check(f"http://127.0.0.1:{server.port}").fails("tunnel.redirects", Layer.AUTH, URL, hint="wss:// for https://")


def test_a_proxy_before_a_dead_gateway() -> None:
    with proxy("http://127.0.0.1:1") as server:
        found = check(f"http://127.0.0.1:{server.port}")
    finding = found.fails("tunnel.bad-gateway", Layer.AUTH, URL, hint="upstream")
    assert "502" in finding.message


def test_a_gateway_that_fails_at_the_token() -> None:
    async def fail(socket: WebSocket) -> None:
        status = 500 if "connect_token" in socket.query_params else 401
        await socket.send_denial_response(Response(status_code=status))

    with web_server(Starlette(routes=[WebSocketRoute("/{path:path}", fail)])) as web:
        check(web.url).fails("tunnel.bad-gateway", Layer.AUTH, URL, hint="look at its log")


def test_a_tunnel_open_to_anyone() -> None:
    gateway = Gateway(checks_tunnel=False)
    with web_server(gateway.application()) as web:
        found = check(web.url)
    found.fails("tunnel.open-to-anyone", Layer.AUTH, URL, hint="ask everyone for a token")
    (path,) = gateway.writes  # the faulty gateway's own; no message
    assert path.startswith("/tunnel/sandbox/mistle-preflight-")
    (request,) = web.requests
    assert request.body == b""


def test_ws_where_wss_is_spoken(gateway: Gateway, authority: Authority) -> None:
    with web_server(gateway.application(), authority.leaf()) as web:
        found = check(web.url.replace("https", "http"))
    found.fails("network.tls-on-plaintext", Layer.AUTH, URL, hint="scheme with TLS")
    with proxy("http://127.0.0.1:1", certificate=authority.leaf()) as server:
        found = check(f"http://127.0.0.1:{server.port}")
    found.fails("network.tls-on-plaintext", Layer.AUTH, URL, hint="scheme with TLS")


def test_wss_where_ws_is_spoken(gateway: Gateway) -> None:
    with web_server(gateway.application()) as web:
        found = check(web.url.replace("http", "https"))
    found.fails("network.plaintext-on-tls", Layer.TLS, URL, hint="without TLS")


def test_a_silent_port() -> None:
    with faults.silent_port() as port:
        found = check(f"http://127.0.0.1:{port}", timeout=1.0)
    found.fails("network.silent", Layer.AUTH, URL, hint="not hung")


def test_a_port_that_hangs_up() -> None:
    with faults.closing_port() as port:
        found = check(f"http://127.0.0.1:{port}")
    found.fails("network.reset", Layer.AUTH, URL, hint="the server's own log")


@pytest.mark.parametrize(
    "words", [b"HTTP/1.1 401 Unauthorized\r\n\r\n", b"HTTP/1.1 401 No\r\nConnection: close\r\n\r\n"]
)
def test_a_bare_refusal(words: bytes) -> None:
    """As a Node.js server writes it to the socket: no length, no date."""
    with faults.http_port(words) as port:
        found = check(f"http://127.0.0.1:{port}")
    found.fails("tunnel.token-rejected", Layer.AUTH, SECRET, ISSUER, AUDIENCE, hint="clocks")


def test_an_answer_without_end() -> None:
    """It is cut off, and judged by its beginning."""
    with faults.endless_port(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 4096) as port:
        found = check(f"http://127.0.0.1:{port}")
    found.fails("tunnel.not-gateway", Layer.AUTH, URL, hint="send this path to it")


@pytest.mark.parametrize("name", [NAME, PUBLIC])
def test_before_the_deployment_the_name_is_resolved_alone(name: str) -> None:
    found = run_check(name, values("wss://localhost:1/tunnel/sandbox"), stage="before-deploy")
    assert found.status is Status.SKIP, found
    assert found["tunnel.dns"].status is Status.OK
    assert [finding.message for finding in found.findings[1:]] == ["not up yet"] * 3


def test_before_the_deployment_a_name_may_be_missing() -> None:
    found = run_check(NAME, values("ws://gateway.mistle.invalid/tunnel/sandbox"), stage="before-deploy")
    found.warns("network.name-not-found", Layer.DNS, URL, hint="DNS")


def test_neither_secret_nor_token_is_in_any_text(gateway: Gateway, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    subject = planned(NAME, values("ws://gateway:8084/tunnel/sandbox"))
    assert subject.target == "ws://gateway:8084/tunnel/sandbox"
    assert RIGHT.secret not in repr(subject)
    with web_server(gateway.application()) as web:
        found = check(web.url, Signature(secret="another-secret-0123456789abcdef"))
    assert "eyJ" not in str(found) + caplog.text


def test_a_secret_that_the_library_will_not_sign_with(gateway: Gateway) -> None:
    pem = "-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----"
    with web_server(gateway.application()) as web:
        found = check(web.url, Signature(secret=pem))
    assert found.status is Status.SKIP, found
    assert found["tunnel.auth"].fields == (SECRET, ISSUER, AUDIENCE)


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
def test_who_uses_what(service: str, expected: set[str]) -> None:
    assert {resource.name for resource in RESOURCES if service in resource.services} == expected


def test_the_callers_proxies_change_nothing(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
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
                {"tunnel.not-gateway", "tunnel.bad-gateway", "tunnel.open-to-anyone", "network.reset"}
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
    web_settings={SECRET: RIGHT.secret, ISSUER: RIGHT.issuer, AUDIENCE: RIGHT.audience},
)
