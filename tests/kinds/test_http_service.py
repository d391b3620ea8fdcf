"""Mistle's own services, correct and faulty, alone and behind proxies."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from checks.core.finding import Finding, Layer, Status
from preflight.demo.servers.mistle import API_ORIGIN as BUILT_FOR
from preflight.demo.servers.mistle import (
    DASHBOARD_ORIGIN,
    TOKEN,
    Gateway,
    Service,
    control_plane_api,
    dashboard,
    data_plane_api,
)
from preflight.plan.resources.http_service import RESOURCES
from preflight.report.attribution import keys_of
from preflight.report.result import Result
from preflight.run.consistency import compare
from tests.harness import answers, faults, floods, hostile_replies, profiles, text_servers_http
from tests.harness.descriptor import Descriptor, Family, Target, WebCheck
from tests.harness.fault_rows import ELSEWHERE, Protocol, Verdict, at_url, json_http
from tests.harness.fault_rows import http as over_http
from tests.harness.run_check import CheckRun, planned, run_check
from tests.servers.replies import before, replying
from tests.testbed import Authority, valkey_server
from tests.testbed.proxy import proxy
from tests.testbed.web import web_server

API, DATA, GATEWAY = (f"services.{name}" for name in ("control_plane_api", "data_plane_api", "data_plane_gateway"))
DASHBOARD = "services.dashboard"
TOKEN_KEY, VALKEY, TRUSTED = "internal_auth.shared_token.token", "kv.data_plane.url", f"{API}.auth.trusted_origins"
PAGES, API_ORIGIN = f"{DASHBOARD}.public_url", f"{DASHBOARD}.control_plane_api_origin"
URLS = {resource.name: resource.keys[0] for resource in RESOURCES}
INTERNAL = (f"{API}.internal", f"{DATA}.internal", f"{GATEWAY}.internal")
PUBLIC = f"{API}.public"


GATEWAYS: list[Gateway] = []


@pytest.fixture(autouse=True)
def _writes() -> Iterator[None]:
    """No test causes its gateway to write anything."""
    GATEWAYS.clear()
    yield
    assert [gateway.writes for gateway in GATEWAYS] == [[]] * len(GATEWAYS)


def gateway(service: Service | None = None, valkey: str = "") -> ASGIApp:
    """A gateway whose writes are checked after the test."""
    GATEWAYS.append(Gateway(service=service or Service(), valkey=valkey))
    return GATEWAYS[-1].application()


def values(name: str, url: str, token: str = TOKEN) -> dict[str, object]:
    others = {TOKEN_KEY: token, VALKEY: "redis://valkey", PAGES: DASHBOARD_ORIGIN, TRUSTED: (DASHBOARD_ORIGIN,)}
    return others | {API_ORIGIN: BUILT_FOR if name == DASHBOARD else url, URLS[name]: url}


def check(name: str, url: str, token: str = TOKEN, **options: object) -> CheckRun:
    return run_check(name, values(name, url, token), **options)  # type: ignore[arg-type]


def application(name: str, service: Service | None = None) -> ASGIApp:
    """The right server for the URL of the check ``name``."""
    service = service or Service()
    if name == f"{GATEWAY}.internal":
        return gateway(service)
    if name == DASHBOARD:
        return dashboard()
    return data_plane_api(service) if name == f"{DATA}.internal" else control_plane_api(service)


@profiles.quick
@pytest.mark.parametrize("name", INTERNAL)
def test_every_layer_passes_without_effect(name: str) -> None:
    with web_server(application(name)) as web:
        result = check(name, web.url)
    assert result.status is Status.OK, result
    assert [finding.layer for finding in result.findings] == ["dns", "connect", "auth", "access"]
    assert result["http.auth"].fields == (URLS[name], TOKEN_KEY)
    sent = [request.headers.get("x-mistle-service-token") for request in web.requests]
    reads = planned(name, values(name, web.url)).app.reads  # type: ignore[attr-defined]
    assert sent.count(TOKEN) == 1 + len(reads)
    assert sent[-1 - len(reads) :] == [TOKEN] * (1 + len(reads))
    posted = [request.target for request in web.requests if request.method != "GET"]
    assert sorted(posted) == sorted(read.path for read in reads if read.method == "POST")


def test_public_api_allows_the_dashboard() -> None:
    with web_server(control_plane_api()) as web:
        result = check(PUBLIC, web.url)
    result.passes("http.access", Layer.ACCESS, URLS[PUBLIC], TRUSTED, PAGES, API_ORIGIN)
    assert result.facts["release"] == "1.4.0"
    assert not any("x-mistle-service-token" in request.headers for request in web.requests)


def test_another_api_origin_is_not_proven() -> None:
    with web_server(control_plane_api()) as web:
        result = run_check(PUBLIC, values(PUBLIC, web.url) | {API_ORIGIN: "http://localhost:3000"})
    result.passes("http.access", Layer.ACCESS, URLS[PUBLIC], TRUSTED, PAGES)


@profiles.quick
def test_dashboard_passes() -> None:
    with web_server(dashboard()) as web:
        check(DASHBOARD, web.url).passes("http.access", Layer.ACCESS, PAGES, API_ORIGIN)


@pytest.mark.parametrize("name", [*INTERNAL, PUBLIC, DASHBOARD])
def test_tls(name: str, authority: Authority) -> None:
    with authority.trusted() as path, web_server(application(name), authority.leaf()) as web:
        result = check(name, web.url, extra=Path(path))
    assert result.status is Status.OK, result
    assert result["http.tls"].layer is Layer.TLS


def test_url_with_a_path_prefix() -> None:
    with web_server(
        before(replying(PlainTextResponse("no", 404)), {"/api/": _below("/api", control_plane_api())})
    ) as web:
        assert check(f"{API}.internal", f"{web.url}/api/").status is Status.OK


@pytest.mark.parametrize("name", INTERNAL[1:])
def test_path_prefix_that_mistles_client_drops(name: str) -> None:
    """Mistle makes `new URL("/internal/…", base)` of these, so that the prefix of a proxy cannot work."""
    behind = before(replying(PlainTextResponse("no", 404)), {"/api/": _below("/api", application(name))})
    with web_server(behind) as web:
        check(name, f"{web.url}/api/").fails("http.not-mistle", Layer.AUTH, URLS[name], hint="correct the host")
    with web_server(application(name)) as web:
        assert check(name, f"{web.url}/api/").status is Status.OK


def _below(prefix: str, app: ASGIApp) -> ASGIApp:
    async def below(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "path": scope["path"].removeprefix(prefix)}, receive, send)

    return below


@pytest.mark.parametrize("name", INTERNAL)
def test_unhealthy(name: str) -> None:
    with web_server(application(name, Service(healthy=False))) as web:
        result = check(name, web.url)
    result.fails("http.unhealthy", Layer.ACCESS, URLS[name], hint="log of the service")
    assert result["http.auth"].status is Status.OK


@pytest.mark.parametrize("name", [*INTERNAL, PUBLIC, DASHBOARD])
def test_server_error(name: str) -> None:
    with web_server(replying(PlainTextResponse("oh no", 500))) as web:
        finding = check(name, web.url).fails("http.unhealthy", Layer.ACCESS, URLS[name], hint="log")
    assert "500 text/plain (uvicorn)" in finding.message


@pytest.mark.parametrize("name", [*INTERNAL, PUBLIC])
def test_dashboard_in_place_of_a_service(name: str) -> None:
    with web_server(dashboard()) as web:
        check(name, web.url).fails("http.is-dashboard", Layer.AUTH, URLS[name], hint="the service itself")


def test_single_page_application_of_nginx() -> None:
    with proxy("http://127.0.0.1:1", "page") as server:
        url = f"http://127.0.0.1:{server.port}"
        check(PUBLIC, url).fails("http.is-dashboard", Layer.AUTH, URLS[PUBLIC], hint="not to the dashboard")


@pytest.mark.parametrize("name", [*INTERNAL, PUBLIC, DASHBOARD])
@pytest.mark.parametrize(
    "reply",
    [PlainTextResponse("ok"), PlainTextResponse("", 404), Response(status_code=204)],
    ids=["another health", "not found", "empty"],
)
def test_not_mistle(name: str, reply: Response) -> None:
    with web_server(replying(reply)) as web:
        finding = check(name, web.url).fails(
            "http.not-mistle", Layer.AUTH, URLS[name], hint="correct the host and port"
        )
    assert str(reply.status_code) in finding.message
    assert not any(request.headers.get("x-mistle-service-token") == TOKEN for request in web.requests)


def test_json_of_another_service() -> None:
    with web_server(replying(JSONResponse({"status": "ok"}))) as web:
        check(PUBLIC, web.url).fails("http.not-mistle", Layer.AUTH, URLS[PUBLIC], hint="correct the host")


@pytest.mark.parametrize("name", [INTERNAL[0], DASHBOARD])
def test_not_http(name: str) -> None:
    with faults.garbage_port(b"-ERR unknown command\r\n\r\n") as port:
        finding = check(name, f"http://127.0.0.1:{port}").fails(
            "http.not-mistle", Layer.AUTH, URLS[name], hint="host and port"
        )
    assert "not HTTP" in finding.message


@pytest.mark.parametrize(
    ("name", "other"),
    [(name, other) for name in (*INTERNAL, PUBLIC) for other in INTERNAL if name.split(".")[1] != other.split(".")[1]],
)
def test_wrong_service(name: str, other: str) -> None:
    with web_server(application(other)) as web:
        result = check(name, web.url)
    assert not any(request.headers.get("x-mistle-service-token") == TOKEN for request in web.requests)
    result.fails("http.wrong-service", Layer.AUTH, URLS[name], hint="swapped")


def test_gateway_without_runtime_state() -> None:
    states = {"/internal/sandbox-instances/": JSONResponse({"code": "NOT_FOUND"}, 404)}
    app = Service().application(Route("/internal/{path:path}", lambda _: JSONResponse({}, 404)))
    name = f"{GATEWAY}.internal"
    with web_server(app) as web:
        check(name, web.url).fails("http.wrong-service", Layer.AUTH, URLS[name], hint="swapped")
    with web_server(before(gateway(), states)) as web:
        check(name, web.url).fails("http.internal-blocked", Layer.AUTH, URLS[name], hint="/internal/")


def test_api_in_place_of_the_dashboard() -> None:
    with web_server(control_plane_api()) as web:
        check(DASHBOARD, web.url).fails("http.wrong-service", Layer.AUTH, PAGES, hint="swapped")


@pytest.mark.parametrize("name", profiles.first(1, [PUBLIC, *INTERNAL, DASHBOARD]))
def test_redirect_to_https(name: str) -> None:
    with proxy("http://127.0.0.1:1", "redirects") as server:
        result = check(name, f"http://127.0.0.1:{server.port}")
    finding = result.fails("http.redirects", Layer.AUTH, URLS[name], hint="that it redirects to")
    assert "301, a redirect to https://127.0.0.1/" in finding.message


def test_login_page_in_front_of_the_dashboard() -> None:
    reply = Response(status_code=302, headers={"location": "https://login.example/?token=abc"})
    with web_server(replying(reply)) as web:
        finding = check(DASHBOARD, web.url).warns("proxy.login-required", Layer.AUTH, PAGES, hint="without its login")
    assert finding.message.endswith("a redirect to https://login.example/")
    assert "write" not in finding.hint


@pytest.mark.parametrize("name", profiles.first(1, [PUBLIC, *INTERNAL, DASHBOARD]))
def test_proxy_without_its_service(name: str) -> None:
    with proxy("http://127.0.0.1:1") as server:
        result = check(name, f"http://127.0.0.1:{server.port}")
    finding = result.fails("http.bad-gateway", Layer.AUTH, URLS[name], hint="upstream")
    assert "502 text/html (nginx" in finding.message


def test_cloud_gateway_without_its_service() -> None:
    with web_server(replying(JSONResponse({"message": "no upstream"}, 503))) as web:
        check(PUBLIC, web.url).fails("http.bad-gateway", Layer.AUTH, URLS[PUBLIC], hint="upstream")


@pytest.mark.parametrize("name", INTERNAL)
def test_token_rejected(name: str) -> None:
    with web_server(application(name)) as web:
        result = check(name, web.url, token="another-token-0123456789abcdef")
    result.fails("http.token-rejected", Layer.AUTH, TOKEN_KEY, hint=f"{TOKEN_KEY} (mistle.toml)")


def replying_to_token(app: ASGIApp, reply: Response) -> ASGIApp:
    """Sends ``reply`` to requests with the right token."""

    async def answering(scope: Scope, receive: Receive, send: Send) -> None:
        sent = (b"x-mistle-service-token", TOKEN.encode()) in scope.get("headers", [])
        await (reply if sent else app)(scope, receive, send)

    return answering


@pytest.mark.parametrize("name", INTERNAL[:2])
@pytest.mark.parametrize(
    "reply",
    [
        Response(status_code=302, headers={"location": "https://login.example/"}),
        HTMLResponse("<p>Welcome"),
        Response(status_code=204),
    ],
    ids=["302", "200", "204"],
)
def test_reply_that_does_not_prove_the_token(name: str, reply: Response) -> None:
    with web_server(replying_to_token(application(name), reply)) as web:
        result = check(name, web.url)
    assert result.status is Status.SKIP, result
    assert f"not proven: answered {reply.status_code}" in result["http.auth"].message
    assert result["http.auth"].fields == (TOKEN_KEY,)
    assert result["http.access"].fields == (URLS[name],)


@pytest.mark.parametrize("name", INTERNAL[:2])
def test_server_error_for_the_token(name: str) -> None:
    with web_server(replying_to_token(application(name), PlainTextResponse("Internal Server Error", 500))) as web:
        result = check(name, web.url)
    finding = result.fails("http.unhealthy", Layer.ACCESS, URLS[name], hint="log of the service")
    assert "with the shared token answers 500 text/plain" in finding.message
    assert not any(TOKEN_KEY in finding.fields for finding in result.findings)


@pytest.mark.parametrize("name", INTERNAL)
def test_service_that_checks_no_token(name: str) -> None:
    with web_server(application(name, Service(checks_token=False))) as web:
        result = check(name, web.url)
    finding = result.fails("http.token-not-checked", Layer.AUTH, URLS[name], hint="close the service")
    assert "with no token" in finding.message
    assert not any(request.headers.get("x-mistle-service-token") == TOKEN for request in web.requests)


@pytest.mark.parametrize("name", INTERNAL)
def test_service_that_accepts_any_token(name: str) -> None:
    with web_server(_adding_token(application(name, Service(token=TOKEN)))) as web:
        finding = check(name, web.url).fails("http.token-not-checked", Layer.AUTH, URLS[name], hint="may be adding it")
    assert "with a wrong token" in finding.message


def _adding_token(app: ASGIApp) -> ASGIApp:
    """A proxy that replaces every token with the right one."""

    async def adding(scope: Scope, receive: Receive, send: Send) -> None:
        sent = [(name, value) for name, value in scope.get("headers", []) if name == b"x-mistle-service-token"]
        headers = [*(set(scope.get("headers", [])) - set(sent)), *([(sent[0][0], TOKEN.encode())] if sent else [])]
        await app({**scope, "headers": headers}, receive, send)

    return adding


@pytest.mark.parametrize("name", INTERNAL)
@pytest.mark.parametrize(
    "reply",
    [
        PlainTextResponse("Unauthorized", 401, {"WWW-Authenticate": "Basic"}),
        HTMLResponse("<h1>no</h1>", 403),
        HTMLResponse("<h1>no</h1>", 404),
        PlainTextResponse("404 page not found\n", 404),
        JSONResponse({"message": "no Route matched with those values"}, 404),
        JSONResponse({"code": 5, "message": "Not Found"}, 404),
        PlainTextResponse("Bad Request", 400),
        PlainTextResponse("Internal Server Error", 500),
        PlainTextResponse("ok"),
        JSONResponse(["no"]),
    ],
    ids=["sign-in", "page 403", "page 404", "Traefik", "Kong", "number", "400", "500", "text 200", "JSON 200"],
)
def test_internal_paths_blocked(name: str, reply: Response) -> None:
    with web_server(before(application(name), {"/internal/": reply})) as web:
        finding = check(name, web.url).fails(
            "http.internal-blocked", Layer.AUTH, URLS[name], hint="not its public entrance"
        )
    assert f"answers {reply.status_code}" in finding.message
    assert not any(request.headers.get("x-mistle-service-token") == TOKEN for request in web.requests)


@pytest.mark.parametrize("name", INTERNAL)
def test_server_error_without_a_token_check(name: str) -> None:
    error = JSONResponse({"code": "INTERNAL_ERROR", "message": "oh no"}, 500)
    with web_server(before(application(name), {"/internal/": error})) as web:
        check(name, web.url).fails("http.token-not-checked", Layer.AUTH, URLS[name], hint="close the service")


@pytest.mark.parametrize("token", ["schlüssel-☃-0123456789abcdef", "two\nlines-0123456789abcdef"])
def test_token_not_valid_in_a_header(token: str) -> None:
    name = INTERNAL[0]
    with web_server(application(name)) as web:
        finding = check(name, web.url, token=token).fails(
            "http.token-unsendable", Layer.AUTH, TOKEN_KEY, hint="letters and digits"
        )
    assert token not in finding.message


def test_token_of_latin_letters() -> None:
    token = "schlüssel-0123456789abcdef"  # a byte for each letter, as Node.js writes it
    with web_server(application(INTERNAL[0], Service(token=token))) as web:
        assert check(INTERNAL[0], web.url, token=token).status is Status.OK


def test_gateway_whose_valkey_stopped() -> None:
    name = f"{GATEWAY}.internal"
    with valkey_server() as valkey, web_server(gateway(valkey=valkey.url())) as web:
        assert check(name, web.url).status is Status.OK
        assert valkey.client().dbsize() == 0
        valkey.stop()
        result = check(name, web.url)
    finding = result.fails("gateway.valkey-unreachable", Layer.ACCESS, VALKEY, hint=f"{VALKEY} (mistle.toml)")
    assert "500" in finding.message
    assert result["http.auth"].fields == (URLS[name], TOKEN_KEY)


def test_gateway_that_waits_for_its_valkey() -> None:
    async def wait(request: Request) -> Response:
        if request.headers.get("x-mistle-service-token") == TOKEN:
            await asyncio.sleep(30)
        return JSONResponse({"code": "UNAUTHORIZED"}, 401)

    app = Service(checks_token=False).application(Route("/internal/{path:path}", wait))
    with web_server(app) as web:
        result = check(f"{GATEWAY}.internal", web.url, timeout=1.0)
    finding = result.fails("gateway.valkey-unreachable", Layer.ACCESS, VALKEY, hint="the gateway's log")
    assert "no reply in time" in finding.message


def test_gateway_that_never_reached_its_valkey() -> None:
    name = f"{GATEWAY}.internal"
    with web_server(gateway(valkey="redis://127.0.0.1:1")) as web:
        result = check(name, web.url)
    result.fails("network.refused", Layer.CONNECT, URLS[name], hint=f"reached its Valkey ({VALKEY}")


def test_api_that_does_not_reply(authority: Authority) -> None:
    async def wait(_request: Request) -> Response:
        await asyncio.sleep(30)
        return JSONResponse({})

    with web_server(Starlette(routes=[Route("/{path:path}", wait)])) as web:
        result = check(INTERNAL[0], web.url, timeout=1.0)
    result.fails("network.silent", Layer.AUTH, URLS[INTERNAL[0]], hint="not hung")


def test_origin_not_trusted() -> None:
    with web_server(control_plane_api(trusted_origins=["https://app.example"])) as web:
        finding = check(PUBLIC, web.url).fails(
            "http.cors-refused", Layer.ACCESS, TRUSTED, hint=f"{PAGES} (mistle.toml)"
        )
    assert f"to a page of {DASHBOARD_ORIGIN} the API answers no access-control-allow-origin" in finding.message


@pytest.mark.parametrize(
    ("headers", "text"),
    [
        ({"access-control-allow-origin": "*"}, "access-control-allow-origin: *"),
        ({"access-control-allow-origin": DASHBOARD_ORIGIN}, "no access-control-allow-credentials"),
        ({"access-control-allow-origin": "null"}, "access-control-allow-origin: null"),
    ],
)
def test_proxy_that_changes_cors_headers(headers: dict[str, str], text: str) -> None:
    with web_server(before(control_plane_api(), {"/__healthz": JSONResponse({"ok": True}, headers=headers)})) as web:
        finding = check(PUBLIC, web.url).fails("http.cors-refused", Layer.ACCESS, TRUSTED, hint="send them twice")
    assert text in finding.message


def test_public_url_without_openapi_document() -> None:
    with web_server(before(control_plane_api(), {"/openapi.json": HTMLResponse("<h1>no</h1>", 403)})) as web:
        result = check(PUBLIC, web.url)
    assert result.status is Status.OK, result
    assert result.facts.keys() <= {"rtt_ms", "addresses"}


def test_service_without_openapi_document() -> None:
    name = INTERNAL[0]
    with web_server(before(control_plane_api(), {"/openapi.json": HTMLResponse("<h1>no</h1>", 500)})) as web:
        check(name, web.url).fails("http.wrong-service", Layer.AUTH, URLS[name], hint="swapped")


def test_large_openapi_document() -> None:
    document = {"openapi": "3.1.0", "info": {"title": "Mistle Control Plane API", "version": "2.0.0"}}
    long = JSONResponse(document | {"paths": {f"/{number}": "x" * 100 for number in range(9000)}})
    with web_server(before(control_plane_api(), {"/openapi.json": long})) as web:
        assert check(PUBLIC, web.url).facts["release"] == "2.0.0"


@pytest.mark.parametrize("body", [b'{"info": ', b'{"info": [1]}', b"[]", b'{"info": {"title": 5}}', b"\xff\xff"])
def test_malformed_openapi_document(body: bytes) -> None:
    name = INTERNAL[0]
    with web_server(before(control_plane_api(), {"/openapi.json": Response(body)})) as web:
        check(name, web.url).fails("http.wrong-service", Layer.AUTH, URLS[name], hint="swapped")


@pytest.mark.parametrize("name", [*INTERNAL, PUBLIC, DASHBOARD])
def test_before_deployment_only_the_name_is_resolved(name: str) -> None:
    result = check(name, "http://localhost:1", stage="before-deploy")
    assert result.status is Status.SKIP, result
    assert result["http.dns"].status is Status.OK
    assert result["http.dns"].fields == ()
    assert {finding.message for finding in result.findings[1:]} == {"not up yet"}
    assert result["http.auth"].fields == (URLS[name],)


def test_before_deployment_a_missing_name_is_a_warning() -> None:
    result = check(PUBLIC, "https://api.mistle.invalid", stage="before-deploy")
    result.warns("network.name-not-found", Layer.DNS, URLS[PUBLIC], hint="DNS")
    assert [finding.layer for finding in result.findings] == ["dns", "connect", "tls", "auth", "access"]


def test_missing_name() -> None:
    result = check(PUBLIC, "https://api.mistle.invalid")
    result.fails("network.name-not-found", Layer.DNS, URLS[PUBLIC], hint="DNS")


def test_silent_port() -> None:
    with faults.silent_port() as port:
        result = check(PUBLIC, f"http://127.0.0.1:{port}", timeout=1.0)
    result.fails("network.silent", Layer.AUTH, URLS[PUBLIC], hint="not hung")


def test_closing_port() -> None:
    with faults.closing_port() as port:
        result = check(PUBLIC, f"http://127.0.0.1:{port}")
    result.fails("network.reset", Layer.AUTH, URLS[PUBLIC], hint="the server's own log")


def test_http_to_a_tls_port(authority: Authority) -> None:
    with web_server(control_plane_api(), authority.leaf()) as web:
        result = check(PUBLIC, web.url.replace("https", "http"))
    result.fails("network.tls-on-plaintext", Layer.AUTH, URLS[PUBLIC], hint="scheme with TLS")
    with proxy("http://127.0.0.1:1", certificate=authority.leaf()) as server:
        result = check(PUBLIC, f"http://127.0.0.1:{server.port}")
    result.fails("network.tls-on-plaintext", Layer.AUTH, URLS[PUBLIC], hint="scheme with TLS")


def test_https_to_a_plaintext_port() -> None:
    with web_server(control_plane_api()) as web:
        result = check(PUBLIC, web.url.replace("http", "https"))
    result.fails("network.plaintext-on-tls", Layer.TLS, URLS[PUBLIC], hint="without TLS")


def test_read_only_sends_the_same_requests() -> None:
    for name in INTERNAL:
        with web_server(application(name)) as web:
            assert check(name, web.url, read_only=True).status is Status.OK


def test_token_is_in_no_text() -> None:
    subject = planned(INTERNAL[0], values(INTERNAL[0], "http://api:5100"))
    assert subject.target == "http://api:5100/"
    assert TOKEN not in repr(subject)


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        ("control_plane_api", {f"{DATA}.internal"}),
        ("control_plane_worker", {f"{API}.internal", f"{DATA}.internal"}),
        ("data_plane_api", {f"{API}.internal", f"{GATEWAY}.internal"}),
        ("data_plane_gateway", {f"{API}.internal", f"{DATA}.internal"}),
        ("data_plane_worker", {f"{API}.internal", f"{GATEWAY}.internal"}),
        ("dashboard", {PUBLIC, DASHBOARD}),
        ("control_plane_migrations", set()),
        ("data_plane_migrations", set()),
    ],
)
def test_services_that_use_each_url(service: str, expected: set[str]) -> None:
    assert {resource.name for resource in RESOURCES if service in resource.services} == expected


def compared(**releases: str) -> dict[str, tuple[str, Finding]]:
    """The finding that the comparison of these releases adds, and its check. Keywords: control_internal, …"""
    results = []
    for key, release in releases.items():
        plane, _, way = key.partition("_")
        name = f"services.{plane}_plane_api.{way}"
        with web_server(application(name, Service(release=release))) as web:
            run, subject = check(name, web.url), planned(name, values(name, web.url))
        results.append(Result(name, "http_service", subject.target, keys_of(subject), (), facts=run.facts))
    result = compare(tuple(results), {})
    return {finding.id: (result.name, finding) for result in result for finding in result.findings}


def test_same_release() -> None:
    assert compared(control_internal="1.4.0", control_public="1.4.0", data_internal="1.4.0") == {}


@pytest.mark.parametrize("way", ["internal", "public"])
def test_mixed_releases(way: str) -> None:
    result = compared(**{f"control_{way}": "1.4.0", "data_internal": "1.3.9"})
    name, finding = result["services.mixed-releases"]
    assert (name, finding.layer, finding.status) == (f"{DATA}.internal", Layer.FITNESS, Status.WARN)
    assert finding.fields == (f"{API}.{way}_url", f"{DATA}.internal_url")
    assert "1.4.0" in finding.message
    assert "1.3.9" in finding.message
    assert "deploy one release everywhere" in finding.hint
    assert len(result) == 1


def test_public_url_with_another_release() -> None:
    result = compared(control_internal="1.4.0", control_public="1.3.9", data_internal="1.4.0")
    name, finding = result["services.public-differs"]
    assert (name, finding.layer, finding.status) == (PUBLIC, Layer.FITNESS, Status.FAIL)
    assert finding.fields == (f"{API}.internal_url", f"{API}.public_url")
    assert f"{API}.internal_url and {API}.public_url" in finding.hint
    assert len(result) == 1


@pytest.mark.parametrize("one", ["control_internal", "control_public", "data_internal"])
def test_single_release_proves_nothing(one: str) -> None:
    assert compared(**{one: "1.4.0"}) == {}


def test_proxy_variables_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "WS_PROXY", "ws_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with web_server(application(INTERNAL[2])) as web:
        assert check(INTERNAL[2], web.url).status is Status.OK


# For the attacks on all kinds

_TOKEN = {TOKEN_KEY: answers.TOKEN}
_MISSING, _UNAUTHORIZED = (
    (status, {"code": code, "message": message})
    for status, code, message in (
        ("404 Not Found", "NOT_FOUND", "Not found"),
        ("401 Unauthorized", "UNAUTHORIZED", "Unauthorized"),
    )
)
_ASKED = (("/__healthz", "health"), ("/openapi.json", "document"), (answers.TOKEN, "member"), ("", "stranger"))
_TITLE = {"title": "Mistle Control Plane API", "version": "1.4.0"}
_HEALTHY = ("200 OK", {"ok": True})
_API_REPLIES = answers.Replies(
    {
        "health": _HEALTHY,
        "document": ("200 OK", {"info": _TITLE}),
        "member": _MISSING,
        "stranger": _UNAUTHORIZED,
    },
    _ASKED,
)
_GATEWAY_REPLIES = answers.Replies(
    {
        "health": _HEALTHY,
        "document": _MISSING,
        "member": ("200 OK", {"ownerLeaseId": None, "attachment": None}),
        "stranger": _UNAUTHORIZED,
    },
    _ASKED,
)
_TITLED = "<!doctype html><title>Mistle Dashboard</title>"
_PAGE = answers.reply("200 OK", _TITLED, "Content-Type: text/html")
_NO_ADDRESS = answers.always(answers.reply("302 Found", headers="Location: http://["))
_TEXTS = {
    "the content's type": hostile_replies.served(hostile_replies.content_type),
    "a redirect": hostile_replies.served(hostile_replies.redirect),
}
_NOT_MISTLE, _REDIRECTS = Verdict("http.not-mistle"), Verdict("http.redirects")
_target = partial(Target, floods=floods.SHARED_OVER_HTTP, flood_findings=frozenset({"http.not-mistle"}))


def _internal(service: str) -> Callable[[str], Mapping[str, object]]:
    return lambda address: {f"{service}.internal_url": f"http://{address}", **_TOKEN}


def _service(name: str, checks: str, key: str, *, is_at_root: bool = False, also: str = "") -> Family:
    return Family(
        checks=checks,
        scenes=text_servers_http.SERVICE,
        settings={key: "http://{address}" if is_at_root else f"http://{{address}}/{name}"},
        path=f"^/{name}(/|$)",
        right=text_servers_http.service,
        is_at_root=is_at_root,
        also=also,
    )


def _gateway() -> ASGIApp:
    return Gateway().application()


def _web_check(which: str, service: str, app: Callable[[], ASGIApp]) -> WebCheck:
    return WebCheck(f"`http_service`, {which}", f"{service}.internal", app, f"{service}.internal_url")


DESCRIPTOR = Descriptor(
    rows=tuple(
        at_url(kind, protocol, check, key, f"{scheme}://{{host}}:{{place}}", (_NOT_MISTLE, refused), **more)
        for kind, protocol, check, key, refused, more in (
            (
                "service",
                Protocol(Layer.AUTH, reply=json_http("200 OK", ok=True), refusal=ELSEWHERE),
                f"{API}.internal",
                f"{API}.internal_url",
                _REDIRECTS,
                {TOKEN_KEY: "internal-token"},
            ),
            (
                "dashboard",
                Protocol(
                    Layer.AUTH,
                    reply=over_http("200 OK", _TITLED, "Content-Type: text/html\r\n"),
                    refusal=ELSEWHERE,
                ),
                DASHBOARD,
                PAGES,
                Verdict("http.redirects", status=Status.WARN),
                {},
            ),
        )
        for scheme in ("http", "https")
    ),
    targets={
        "api": Target(
            name=f"{API}.internal",
            key=f"{API}.internal_url",
            values=_internal(API),
            replies=_API_REPLIES,
            floods=floods.OVER_HTTP,
            flood_findings=frozenset({"http.not-mistle", "http.unhealthy", "proxy.refused", "network.reset"}),
            tls_values={f"{API}.internal_url": "https://localhost:{}"},
            texts={
                **_TEXTS,
                "its title": hostile_replies.in_json(
                    _API_REPLIES, "document", "200 OK", lambda text: {"info": {"title": text, "version": text}}
                ),
            },
        ),
        "gateway": _target(
            name=f"{GATEWAY}.internal",
            key=f"{GATEWAY}.internal_url",
            values=_internal(GATEWAY),
            replies=_GATEWAY_REPLIES,
            texts={},
        ),
        "dashboard": _target(
            name=DASHBOARD,
            key=PAGES,
            values=lambda address: {PAGES: f"http://{address}"},
            servers=(answers.always(_PAGE), answers.always(answers.reply("302 Found", headers="Location: http://a/b"))),
            texts=_TEXTS,
            unreadable={"a redirect to no address": (_NO_ADDRESS, "http.unexpected-reply", Layer.AUTH)},
        ),
    },
    families={
        "control": _service("control", f"{API}.internal", f"{API}.internal_url"),
        "data": _service("data", f"{DATA}.", f"{DATA}.internal_url", is_at_root=True),
        "gateway": _service(
            "gateway",
            f"{GATEWAY}.internal",
            f"{GATEWAY}.internal_url",
            is_at_root=True,
            also="sandbox.publish_base_domain",
        ),
        "public": _service("public", PUBLIC, f"{PUBLIC}_url"),
        "dashboard": Family(
            checks=DASHBOARD,
            scenes=text_servers_http.DASHBOARD,
            settings={PAGES: "http://{address}/dashboard"},
            path="^/dashboard(/|$)",
            right=lambda _: text_servers_http.reply(200, _TITLED, "text/html"),
        ),
    },
    web_checks={
        "control-plane API, internal": _web_check("control-plane API", API, control_plane_api),
        "control-plane API, public": WebCheck("`http_service`, public", PUBLIC, control_plane_api, f"{PUBLIC}_url"),
        "data-plane API": _web_check("data-plane API", DATA, data_plane_api),
        "gateway": _web_check("gateway", GATEWAY, _gateway),
        "dashboard": WebCheck("`http_service`, public", DASHBOARD, dashboard, PAGES),
    },
    web_settings={TOKEN_KEY: TOKEN},
)
