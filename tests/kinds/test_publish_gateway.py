"""The gateway's publishing routes: access tokens, session cookies and the base domain; nothing is written for them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp

from checks.core.finding import Finding, Layer, Status
from preflight.demo.servers.mistle import Gateway, dashboard
from preflight.demo.servers.publishing import BOOTSTRAP_PATH, COOKIE, Publishing
from preflight.demo.servers.web import Guard
from tests.harness import faults, profiles
from tests.harness.run_check import CheckRun, planned, run_check
from tests.testbed import Authority, Valkey
from tests.testbed.proxy import proxy
from tests.testbed.web import Request, web_server

NAME = DOMAIN = "sandbox.publish_base_domain"
URL = "services.data_plane_gateway.internal_url"
SECRET, ISSUER, AUDIENCE = ACCESS = tuple(
    f"sandbox.publish.access_token.{field}" for field in ("secret", "issuer", "audience")
)
COOKIE_SECRET = "sandbox.publish.session.cookie_signing_secret"
RIGHT = Publishing()
VALUES = {
    "global.env": "development",
    DOMAIN: "sandboxes.localhost",
    SECRET: RIGHT.access.secret,
    ISSUER: RIGHT.access.issuer,
    AUDIENCE: RIGHT.access.audience,
    COOKIE_SECRET: RIGHT.cookie_secret,
}
WRONG = "another-secret-0123456789abcdef"


def check(server_url: str, changes: Mapping[str, object] = {}, **options: object) -> CheckRun:
    return run_check(NAME, {**VALUES, URL: server_url, **changes}, **options)  # type: ignore[arg-type]


def by_keys(result: CheckRun) -> dict[tuple[str, ...], Finding]:
    return {finding.fields: finding for finding in result.findings}


def is_right(request: Request) -> bool:
    """Whether it shows a token or a cookie with the right signature."""
    query, cookie = parse_qs(urlsplit(request.target).query), request.headers.get("cookie", "")
    shown = {RIGHT.access.secret: query.get("token", [""])[0], RIGHT.cookie_secret: cookie.removeprefix(f"{COOKIE}=")}
    return any(_is_signed(token, secret) for secret, token in shown.items())


def _is_signed(token: str, secret: str) -> bool:
    try:
        return bool(jwt.decode(token, secret, ["HS256"], options={"verify_aud": False}))
    except jwt.InvalidTokenError:
        return False


@profiles.quick
def test_gateway_proves_every_key(gateway: Gateway) -> None:
    with web_server(gateway.application()) as web:
        result = check(web.url)
    assert result.status is Status.OK, result
    assert [finding.layer for finding in result.findings] == [Layer.AUTH, Layer.AUTH, Layer.ACCESS]
    assert [finding.fields for finding in result.findings] == [ACCESS, (COOKIE_SECRET,), (DOMAIN,)]
    assert {(request.method, request.body) for request in web.requests} == {("GET", b"")}
    assert [is_right(request) for request in web.requests] == [False] * 2 + [True] * 3
    hosts = [request.headers["host"] for request in web.requests]
    assert len({host.partition(".")[0] for host in hosts}) == 1
    assert sorted(host.partition(".")[2] for host in hosts)[-4:] == ["sandboxes.localhost"] * 4
    assert all(len(label) < 64 for host in hosts for label in host.split("."))


def test_stores_are_the_same_before_and_after(valkey: Valkey) -> None:
    gateway = Gateway(valkey=valkey.url())
    with valkey.client() as client, web_server(gateway.application()) as web:
        before = sorted(client.scan_iter())
        assert check(web.url).status is Status.OK
        assert sorted(client.scan_iter()) == before
    assert gateway.writes == []


@pytest.mark.parametrize("key", ACCESS)
def test_access_token_rejected(gateway: Gateway, key: str) -> None:
    with web_server(gateway.application()) as web:
        result = check(web.url, {key: WRONG})
    result.fails("publish.access-token-rejected", Layer.AUTH, *ACCESS, hint="the control plane's API the same values")
    found = by_keys(result)
    assert found[COOKIE_SECRET,].status is found[DOMAIN,].status is Status.OK
    assert WRONG not in str(result)


def test_cookie_rejected(gateway: Gateway) -> None:
    with web_server(gateway.application()) as web:
        result = check(web.url, {COOKIE_SECRET: WRONG})
    result.fails("publish.cookie-rejected", Layer.AUTH, COOKIE_SECRET, hint="every process of the gateway")
    found = by_keys(result)
    assert found[ACCESS].status is found[DOMAIN,].status is Status.OK


@pytest.mark.parametrize("domain", profiles.first(1, ["previews.localhost", "localhost", "eu.sandboxes.localhost"]))
def test_domain_differs(gateway: Gateway, domain: str) -> None:
    with web_server(gateway.application()) as web:
        result = check(web.url, {DOMAIN: domain})
    result.fails("publish.domain-differs", Layer.ACCESS, DOMAIN, hint="the same domain as in")
    found = by_keys(result)
    assert found[ACCESS].status is Status.OK
    assert found[COOKIE_SECRET,].status is Status.SKIP


@profiles.long
def test_domain_in_capitals_is_the_same(gateway: Gateway) -> None:
    with web_server(gateway.application()) as web:
        assert check(web.url, {DOMAIN: "Sandboxes.LOCALHOST"}).status is Status.OK


@profiles.long
def test_all_wrong_at_once(gateway: Gateway) -> None:
    with web_server(gateway.application()) as web:
        result = check(web.url, {COOKIE_SECRET: WRONG, SECRET: WRONG})
        domain = check(web.url, {COOKIE_SECRET: WRONG, SECRET: WRONG, DOMAIN: "previews.localhost"})
    failed = [finding.id for finding in result.findings if finding.status is Status.FAIL]
    assert failed == ["publish.access-token-rejected", "publish.cookie-rejected"]
    assert [finding.status for finding in domain.findings] == [Status.FAIL, Status.SKIP, Status.SKIP]


def replying(app: ASGIApp, reply: Response, applies: Callable[[Request], bool]) -> ASGIApp:
    """A proxy in front that replies to some requests itself."""

    def own(asked: HTTPConnection) -> Response | None:
        target = f"{asked.url.path}?{asked.url.query}"
        return reply if applies(Request("GET", target, dict(asked.headers))) else None

    return Guard(app, own)


@pytest.mark.parametrize(
    "reply",
    [
        JSONResponse({"code": "NOT_FOUND"}, 404),
        PlainTextResponse("404 Not Found", 404),
        HTMLResponse("<p>Sign in", 401),
        Response(status_code=401, headers={"www-authenticate": "Basic"}),
        HTMLResponse("<p>Bad Gateway", 502),
        PlainTextResponse("Port Access authorization failed.", 502),
        Response(status_code=302, headers={"location": "https://login.example/"}),
        PlainTextResponse("slow down", 429),
    ],
    ids=["JSON", "text", "login", "challenge", "proxy", "any token", "redirect", "busy"],
)
def test_wrong_values_that_are_not_refused_prove_nothing(gateway: Gateway, reply: Response) -> None:
    """Also an older gateway, which knows no such routes."""
    with web_server(replying(gateway.application(), reply, lambda _: True)) as web:
        result = check(web.url)
    assert [finding.status for finding in result.findings] == [Status.SKIP] * 3, result
    assert [finding.fields for finding in result.findings] == [ACCESS, (COOKIE_SECRET,), (DOMAIN,)]
    assert str(reply.status_code) in result["publish.access"].message
    assert not any(map(is_right, web.requests))


@pytest.mark.parametrize("status", [429, 500, 503, 200])
def test_right_values_with_an_unclear_reply_prove_nothing(gateway: Gateway, status: int) -> None:
    with web_server(replying(gateway.application(), PlainTextResponse("?", status), is_right)) as web:
        result = check(web.url)
    assert [finding.status for finding in result.findings] == [Status.SKIP] * 3, result
    assert f"not proven: a link is answered {status}" in result.findings[0].message


@profiles.long
def test_gateway_that_compares_no_host(gateway: Gateway) -> None:
    """The cookie's host proves the domain; the link's alone would not."""
    elsewhere = replying(
        gateway.application(),
        PlainTextResponse("Port Access authorization failed.", 502),
        lambda request: request.target.startswith(BOOTSTRAP_PATH) and is_right(request),
    )
    cookies = replying(elsewhere, PlainTextResponse("no", 404), lambda request: "cookie" in request.headers)
    with web_server(elsewhere) as web:
        assert check(web.url).status is Status.OK
    with web_server(cookies) as web:
        found = by_keys(check(web.url))
    assert found[ACCESS].status is Status.OK
    assert found[DOMAIN,].status is Status.SKIP


@profiles.long
@pytest.mark.parametrize("fault", [faults.refused_port, faults.silent_port, faults.closing_port, faults.garbage_port])
def test_gateway_that_cannot_be_asked(fault: Callable[[], object]) -> None:
    """The gateway's own check says why."""
    with fault() as port:  # type: ignore[attr-defined]
        result = check(f"http://127.0.0.1:{port}", timeout=2.0)
    assert [finding.status for finding in result.findings] == [Status.SKIP] * 2, result
    assert {finding.layer for finding in result.findings} == {Layer.AUTH, Layer.ACCESS}


def test_refused_port_is_the_matter_of_another_check() -> None:
    with faults.refused_port() as port:
        result = check(f"http://localhost:{port}")
    assert [finding.status for finding in result.findings] == [Status.SKIP] * 2, result
    assert f"the gateway at http://localhost:{port}/ cannot be asked" in result["publish.access"].message


def test_another_service() -> None:
    with web_server(dashboard()) as web:
        result = check(web.url)
    assert [finding.status for finding in result.findings] == [Status.SKIP] * 3, result


def test_https_through_a_proxy(gateway: Gateway, authority: Authority) -> None:
    leaf = authority.leaf()
    with (
        authority.trusted() as extra,
        web_server(gateway.application()) as web,
        proxy(web.url, "passes", leaf) as front,
    ):
        url = f"https://127.0.0.1:{front.port}"
        assert check(url, extra=Path(extra)).status is Status.OK
        assert check(url).status is Status.SKIP


@pytest.mark.parametrize("key", profiles.first(1, [SECRET, COOKIE_SECRET]))
def test_secret_in_the_form_of_a_key_pair(gateway: Gateway, key: str) -> None:
    with web_server(gateway.application()) as web:
        result = check(web.url, {key: "-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----"})
    assert result.status is Status.SKIP, result


def test_domain_that_no_header_can_hold(gateway: Gateway) -> None:
    with web_server(gateway.application()) as web:
        result = check(web.url, {DOMAIN: "żółw.localhost"})
    assert "cannot be put into a header" in result["publish.access"].message


def test_before_deployment_the_gateway_is_not_asked() -> None:
    result = check("http://localhost:1", stage="before-deploy")
    assert [(finding.status, finding.message) for finding in result.findings] == [(Status.SKIP, "not up yet")] * 2


def test_secrets_are_in_no_text() -> None:
    subject = planned(NAME, {**VALUES, URL: "http://gateway:5202"})
    assert subject.target == "*.sandboxes.localhost"
    for secret in (RIGHT.access.secret, RIGHT.cookie_secret):
        assert secret not in repr(subject)
