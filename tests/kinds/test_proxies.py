"""nginx in front of a server, which replies in the server's name: each kind names it as what it is."""

import socket
from collections.abc import Mapping
from pathlib import Path

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from checks.core.finding import Layer, Status
from checks.net.endpoint import Endpoint
from preflight.demo.servers.mistle import DASHBOARD_ORIGIN, TOKEN, Gateway, control_plane_api, data_plane_api
from preflight.demo.servers.tunnel import Signature
from preflight.report.attribution import keys_of
from preflight.report.result import Result
from preflight.run.consistency import compare
from tests.harness import faults, profiles
from tests.harness.provider_override import run_check_at
from tests.harness.run_check import CheckRun, planned, run_check
from tests.servers.replies import replying
from tests.testbed import Authority
from tests.testbed.proxy import proxy
from tests.testbed.web import web_server

API, DATA, GATEWAY = (f"services.{name}" for name in ("control_plane_api", "data_plane_api", "data_plane_gateway"))
TOKEN_KEY, PAGES = "internal_auth.shared_token.token", "services.dashboard.public_url"
CONNECT = [f"sandbox.tokens.connect.{name}" for name in ("secret", "issuer", "audience")]
RIGHT = Signature()
NOWHERE = "http://127.0.0.1:1"

SETTINGS: Mapping[str, object] = {
    TOKEN_KEY: TOKEN,
    PAGES: DASHBOARD_ORIGIN,
    "kv.data_plane.url": "redis://valkey",
    "telemetry.enabled": True,
    **dict(zip(CONNECT, (RIGHT.secret, RIGHT.issuer, RIGHT.audience), strict=True)),
    "object_store.assets.bucket_name": "assets",
    "object_store.assets.region": "us-east-1",
    "object_store.assets.access_key_id": "a",
    "object_store.assets.secret_access_key": "s",
    "object_store.assets.force_path_style": True,
    "sandbox.provider": "e2b",
    "sandbox.e2b.api_key": "e2b_0123456789",
    "sandbox.default_base_image": "debian",
    "sandbox.storage.backend": "archil",
    "sandbox.storage.archil.api_key": "key-0123456789",
    "sandbox.storage.archil.region": "aws-us-east-1",
}
TUNNEL, PUBLIC_TUNNEL = (f"{GATEWAY}.sandbox_ws_{way}" for way in ("internal", "public"))
KEYS = {
    f"{DATA}.internal": (f"{DATA}.internal_url", "{}"),
    f"{API}.public": (f"{API}.public_url", "{}"),
    TUNNEL: (f"{TUNNEL}_url", "{}/tunnel/sandbox"),
    "telemetry.traces": ("telemetry.traces.endpoint", "{}/v1/traces"),
    "object_store.assets": ("object_store.assets.endpoint", "{}"),
}
KINDS = tuple(KEYS)


def check(name: str, url: str, **options: object) -> CheckRun:
    key, form = KEYS.get(name, (f"{name}_url", "{}/tunnel/sandbox" if "_ws_" in name else "{}"))
    address = url.replace("http", "ws", 1) if "_ws_" in name else url
    return run_check(name, {**SETTINGS, key: form.format(address)}, **options)  # type: ignore[arg-type]


def blamed(result: CheckRun, name: str, finding_id: str, hint: str) -> str:
    """Assert that this finding alone is wrong, and that it blames the URL. Its message."""
    (finding,) = (each for each in result.findings if each.status >= Status.WARN)
    assert (finding.id, finding.fields) == (finding_id, (KEYS[name][0],)), result
    assert hint in finding.hint
    return str(finding.message)


@pytest.mark.parametrize("name", profiles.first(2, KINDS))
def test_client_certificate_is_demanded_over_http(name: str, authority: Authority) -> None:
    leaf = authority.leaf()
    with authority.trusted() as extra, proxy(NOWHERE, "asks_for_certificate", leaf) as front:
        result = check(name, f"https://127.0.0.1:{front.port}", extra=Path(extra))
    message = blamed(result, name, "tls.client-certificate-required", "client certificates off")
    assert "400 No required SSL certificate was sent" in message


@pytest.mark.parametrize(
    ("name", "behaviour", "words"),
    profiles.first(
        2,
        [
            (name, behaviour, words)
            for behaviour, words in (
                ("asks_for_password", "401, text/html, that asks for Basic, by nginx"),
                ("signs_in", "a redirect to https://sso.corp.example/realms/staff/auth"),
            )
            for name in KINDS
            if (name, behaviour) != ("telemetry.traces", "asks_for_password")  # otlp.refused: it may be the collector
        ],
    ),
)
def test_login_in_front(name: str, behaviour: str, words: str) -> None:
    with proxy(NOWHERE, behaviour) as front:
        result = check(name, f"http://127.0.0.1:{front.port}")
    message = blamed(result, name, "proxy.login-required", "without its login")
    assert words in message
    assert not any("write the address" in finding.hint for finding in result.findings)


@profiles.long
def test_login_form_with_status_200() -> None:
    form = HTMLResponse("<!doctype html><title>Sign in</title><form><input name=p type='password'></form>")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await form(scope, receive, send)

    with web_server(app) as web:
        result = check(KINDS[0], web.url)
    assert "with a field for a password" in blamed(result, KINDS[0], "proxy.login-required", "without its login")


@pytest.mark.parametrize("name", profiles.first(1, [name for name in KINDS if name != "telemetry.traces"]))
def test_refusal_of_a_proxy(name: str) -> None:
    with proxy(NOWHERE, "forbids") as front:
        result = check(name, f"http://127.0.0.1:{front.port}")
    assert "403, text/html, by nginx" in blamed(result, name, "proxy.refused", "web application firewall")


@pytest.mark.parametrize("name", profiles.first(1, KINDS))
def test_rate_limit_of_a_proxy(name: str) -> None:
    with proxy(NOWHERE, "limits") as front:
        result = check(name, f"http://127.0.0.1:{front.port}")
    assert "429, text/html, retry after 30, by nginx" in blamed(result, name, "proxy.rate-limited", "raise the limit")
    assert result.status is Status.WARN


@profiles.long
@pytest.mark.parametrize(
    ("reply", "finding_id"),
    [
        (PlainTextResponse("Forbidden", 403), "proxy.refused"),
        (PlainTextResponse("Unauthorized", 401), "proxy.login-required"),
        (HTMLResponse("<h1>Too many", 429), "proxy.rate-limited"),
    ],
    ids=["403", "401", "429"],
)
@pytest.mark.parametrize(("name", "key"), [("sandbox.e2b", "sandbox.e2b.domain"), ("sandbox.storage.archil", "")])
def test_provider(reply: Response, finding_id: str, name: str, key: str, authority: Authority) -> None:
    with authority.trusted() as extra, web_server(replying(reply), authority.leaf()) as web:
        endpoint = Endpoint("https", "localhost", web.port)
        result = run_check_at(endpoint, name, SETTINGS, extra=Path(extra))
    (finding,) = (each for each in result.findings if each.status >= Status.WARN)
    assert finding.id == finding_id, result
    assert finding.fields == ((key,) if key else ("sandbox.storage.archil.region",))


def test_proxy_that_drops_the_token_header() -> None:
    name = f"{DATA}.internal"
    with web_server(data_plane_api()) as web, proxy(web.url, "drops_token") as front:
        result = check(name, f"http://127.0.0.1:{front.port}")
    keys = (TOKEN_KEY, KEYS[name][0])
    finding = result.fails("http.token-rejected", Layer.AUTH, *keys, hint="pass the header x-mistle-service-token")
    assert "it came through nginx" in finding.message


@profiles.long
def test_refusal_of_the_token_alone() -> None:
    """A firewall that refuses requests with the right token's header: no fault of the token."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        sent = (b"x-mistle-service-token", TOKEN.encode()) in scope.get("headers", [])
        await (HTMLResponse("<h1>Blocked", 403) if sent else data_plane_api())(scope, receive, send)

    name = f"{DATA}.internal"
    with web_server(app) as web:
        result = check(name, web.url)
    assert "with the shared token" in blamed(result, name, "proxy.refused", "firewall")


def test_proxy_that_drops_the_query() -> None:
    with web_server(Gateway().application()) as web, proxy(web.url, "drops_query") as front:
        url = f"http://127.0.0.1:{front.port}"
        public, internal = check(PUBLIC_TUNNEL, url), check(TUNNEL, web.url)
    keys = (f"{PUBLIC_TUNNEL}_url", *CONNECT)
    finding = public.fails("tunnel.token-rejected", Layer.AUTH, *keys, hint="pass the query on unchanged")
    assert "which may drop the query" in finding.message
    assert internal.status is Status.OK, internal

    results = [
        Result(name, "tunnel", url, keys_of(planned(name, SETTINGS | {f"{name}_url": url})), run.findings)
        for name, run in ((TUNNEL, internal), (PUBLIC_TUNNEL, public))
    ]
    compared = {finding.id: finding for result in compare(tuple(results), {}) for finding in result.findings}
    assert "tunnel.token-rejected" not in compared
    dropped = compared["tunnel.query-dropped"]
    assert (dropped.layer, dropped.status, dropped.fields) == (Layer.AUTH, Status.FAIL, (f"{PUBLIC_TUNNEL}_url",))
    assert f"let the proxy that {PUBLIC_TUNNEL}_url leads to pass the query" in dropped.hint


def test_document_is_forbidden() -> None:
    name = f"{DATA}.internal"
    with web_server(data_plane_api()) as web, proxy(web.url, "hides_document") as front:
        result = check(name, f"http://127.0.0.1:{front.port}")
    key = KEYS[name][0]
    finding = result.warns("http.document-blocked", Layer.AUTH, key, hint="let /openapi.json through")
    assert "403 text/html (nginx" in finding.message
    assert result["http.access"].status is Status.OK


def speak_http2(connection: socket.socket) -> None:
    """As a server without HTTP/1.1 does: its settings first, then it reads."""
    http2 = H2Connection(H2Configuration(client_side=False))
    http2.initiate_connection()
    connection.sendall(http2.data_to_send())
    while connection.recv(4096).startswith(b"PRI"):
        pass


@pytest.mark.parametrize("name", profiles.first(2, [name for name in KINDS if name != "telemetry.traces"]))
def test_http2_without_tls(name: str) -> None:
    with faults.serving(speak_http2) as port:
        result = check(name, f"http://127.0.0.1:{port}")
    assert "HTTP/2 and not HTTP/1.1" in blamed(result, name, "network.http2-only", "speaks HTTP/1.1")


@profiles.long
@pytest.mark.parametrize(
    ("location", "hint"),
    [
        ("https://api.other.example/__healthz", "write the address that it redirects to"),
        ("https://www.example/welcome", "the address of the service itself"),
        ("http://[", "the address of the service itself"),
    ],
)
def test_redirect_is_written_only_if_it_keeps_the_path(location: str, hint: str) -> None:
    with web_server(replying(JSONResponse({}, 302, {"location": location}))) as web:
        result = check(f"{API}.public", web.url)
    result.fails("http.redirects", Layer.AUTH, f"{API}.public_url", hint=hint)


@profiles.long
def test_public_api_behind_a_proxy_passes() -> None:
    with web_server(control_plane_api()) as web, proxy(web.url) as front:
        assert check(f"{API}.public", f"http://127.0.0.1:{front.port}").status is Status.OK
