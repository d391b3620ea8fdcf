"""The control-plane API at its public URL: GET /v1/auth/ok decides whether it is there."""

from collections.abc import Mapping

import pytest
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from checks.core.finding import Layer, Status
from preflight.demo.servers.mistle import Gateway, control_plane_api, dashboard, data_plane_api
from tests.harness import profiles
from tests.harness.run_check import CheckRun, run_check
from tests.testbed.proxy import proxy
from tests.testbed.web import web_server

NAME = "services.control_plane_api.public"
URL, TRUSTED = f"{NAME}_url", "services.control_plane_api.auth.trusted_origins"
PAGES, API_ORIGIN = "services.dashboard.public_url", "services.dashboard.control_plane_api_origin"
DASHBOARD = "https://app.mistle.example"


def check(url: str, pages: str = DASHBOARD, api_origin: str = "") -> CheckRun:
    return run_check(NAME, {URL: url, PAGES: pages, TRUSTED: (pages,), API_ORIGIN: api_origin or url})


def api(*origins: str) -> ASGIApp:
    return control_plane_api(trusted_origins=origins or (DASHBOARD,))


def behind(app: ASGIApp, replies: Mapping[str, Response]) -> ASGIApp:
    """A proxy that replies to some paths itself."""

    async def proxied(scope: Scope, receive: Receive, send: Send) -> None:
        own = [reply for path, reply in replies.items() if scope.get("path", "").startswith(path)]
        await (own[0] if own else app)(scope, receive, send)

    return proxied


PLAIN_404 = PlainTextResponse("404 Not Found", 404)  # the gateway's reply to a path that it does not have


def test_gateway_in_place_of_the_api() -> None:
    """It is healthy, and has neither CORS nor a document."""
    gateway = behind(Gateway().application(), {"/v1/": PLAIN_404, "/openapi.json": PLAIN_404})
    with web_server(gateway) as web:
        finding = check(web.url).fails("http.wrong-service", Layer.AUTH, URL, hint="two URLs may be swapped")
    assert finding.message == "GET /v1/auth/ok answers 404 text/plain (uvicorn), unlike the control-plane API"


@pytest.mark.parametrize("other", [Gateway().application(), data_plane_api()], ids=["gateway", "data-plane API"])
def test_another_service_in_place_of_the_api(other: ASGIApp) -> None:
    with web_server(other) as web:
        check(web.url).fails("http.wrong-service", Layer.AUTH, URL, hint="swapped")


def test_api_that_hides_its_document_and_its_health() -> None:
    hidden = {"/openapi.json": PLAIN_404, "/__healthz": PLAIN_404}
    with web_server(behind(api(), hidden)) as web:
        check(web.url).passes("http.access", Layer.ACCESS, URL, TRUSTED, PAGES, API_ORIGIN)


def test_single_container() -> None:
    """Its nginx answers GET /__healthz with the dashboard's page; the pages call their own origin."""
    origins: list[str] = []
    with web_server(control_plane_api(trusted_origins=origins)) as web, proxy(web.url, "single_container") as server:
        url = f"http://127.0.0.1:{server.port}"
        origins.append(url)
        result = check(url, url, "same-origin")
    result.passes("http.access", Layer.ACCESS, URL, TRUSTED, PAGES, API_ORIGIN)


def test_single_container_that_trusts_another_origin() -> None:
    with web_server(control_plane_api()) as web, proxy(web.url, "single_container") as server:
        url = f"http://127.0.0.1:{server.port}"
        result = check(url, url, "same-origin")
    assert result.status is Status.SKIP, result
    assert "CORS is not needed" in result["http.access"].message
    assert result["http.access"].fields == (TRUSTED,)


def test_one_entrance_for_pages_of_another_origin() -> None:
    with web_server(control_plane_api()) as web, proxy(web.url, "single_container") as server:
        check(f"http://127.0.0.1:{server.port}").fails(
            "http.cors-refused", Layer.ACCESS, TRUSTED, hint="send them twice"
        )


def test_proxy_that_hides_the_sign_in() -> None:
    page = HTMLResponse("<!doctype html><title>Mistle Dashboard</title>")
    with web_server(behind(api(), {"/v1/": page})) as web:
        finding = check(web.url).fails(
            "http.sign-in-unreachable", Layer.ACCESS, URL, hint="send /v1/ to the control-plane"
        )
    assert "GET /v1/auth/ok answers 200 text/html" in finding.message


@pytest.mark.parametrize(
    ("reply", "id_"),
    profiles.first(
        1,
        [
            (PlainTextResponse("no", 403), "http.sign-in-unreachable"),
            (PlainTextResponse("no", 404), "http.sign-in-unreachable"),
            (JSONResponse({"ok": False}), "http.sign-in-unreachable"),
            (PlainTextResponse("oh no", 503), "http.bad-gateway"),
        ],
    ),
)
def test_proxy_that_keeps_the_sign_in(reply: Response, id_: str) -> None:
    with web_server(behind(api(), {"/v1/": reply})) as web:
        check(web.url).fails(id_, Layer.AUTH if id_ == "http.bad-gateway" else Layer.ACCESS, URL, hint="proxy")


def test_proxy_that_limits_requests_is_no_failure() -> None:
    with web_server(behind(api(), {"/v1/": PlainTextResponse("slow down", 429)})) as web:
        assert check(web.url).status is Status.OK


def test_api_that_neither_its_document_nor_its_sign_in_tells() -> None:
    hidden = {"/openapi.json": PLAIN_404, "/v1/": PlainTextResponse("slow down", 429)}
    with web_server(behind(api(), hidden)) as web:
        result = check(web.url)
    assert result.status is Status.SKIP, result
    assert "openapi.json does not say" in result["http.auth"].message


def test_unhealthy_api_that_signs_in() -> None:
    with web_server(behind(api(), {"/__healthz": JSONResponse({"ok": False}, 503)})) as web:
        check(web.url).fails("http.unhealthy", Layer.ACCESS, URL, hint="log")


def test_dashboard_in_place_of_the_api() -> None:
    with web_server(Starlette(routes=[Mount("/", dashboard())])) as web:
        check(web.url).fails("http.is-dashboard", Layer.AUTH, URL, hint="the service itself")


def test_server_that_is_fine_with_everything() -> None:
    with web_server(Starlette(routes=[Route("/{path:path}", lambda _: PlainTextResponse("ok"))])) as web:
        check(web.url).fails("http.not-mistle", Layer.AUTH, URL, hint="host and port")
