"""The dashboard: Mistle's own page, and the origin of the API that it was built for."""

import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from checks.core.finding import Layer, Status
from checks.http_service.dashboard import _ORIGIN, _TITLE, _scripts
from checks.net.endpoint import Endpoint
from checks.net.http import Reply
from preflight.demo.servers.mistle import control_plane_api, dashboard
from tests.harness import profiles
from tests.harness.run_check import CheckRun, run_check
from tests.testbed.proxy import proxy
from tests.testbed.web import web_server

NAME = "services.dashboard"
PAGES, API_ORIGIN = f"{NAME}.public_url", f"{NAME}.control_plane_api_origin"
API = "https://api.mistle.example"
TITLE = "<!doctype html><title>Mistle Dashboard</title>"
SCRIPT = '<script type="module" crossorigin src="/assets/index-3OUaME_p.js"></script>'


def check(url: str, api_origin: str = API) -> CheckRun:
    return run_check(NAME, {PAGES: url, API_ORIGIN: api_origin})


def site(page: str, files: Mapping[str, Response] = {}) -> ASGIApp:
    """A single-page application: every path but its files is the page."""
    routes = [Route(path, lambda _, reply=reply: reply) for path, reply in files.items()]  # type: ignore[misc]
    return Starlette(routes=[*routes, Route("/{path:path}", lambda _: HTMLResponse(page))])


def javascript(text: str) -> Response:
    return Response(text, media_type="text/javascript")


def test_page_that_was_built_for_the_configured_origin() -> None:
    with web_server(dashboard(lambda: API)) as web:
        finding = check(web.url).passes("http.access", Layer.ACCESS, PAGES, API_ORIGIN)
    assert finding.message == f"every path is the dashboard's page, which calls {API}"
    assert {request.method for request in web.requests} == {"GET"}


# What Vite 8 and older versions of it make of the same source.
BUILDS = {
    "backticks": "r=n({VITE_CONTROL_PLANE_API_ORIGIN:`%s`,VITE_POSTHOG_ENABLED:void 0})",
    "quotes": 'const e={BASE_URL:"/",MODE:"production",VITE_CONTROL_PLANE_API_ORIGIN:"%s"};',
    "quoted name": "n({'VITE_CONTROL_PLANE_API_ORIGIN': '%s'})",
}


@pytest.mark.parametrize("build", profiles.first(1, BUILDS.values()))
@pytest.mark.parametrize(
    ("built", "is_right"), [(API, True), (f"{API}:443/", True), ("https://api.other.example", False)]
)
def test_origin_in_a_build(build: str, built: str, is_right: bool) -> None:
    with web_server(site(TITLE + SCRIPT, {"/assets/index-3OUaME_p.js": javascript(f"x;{build % built}")})) as web:
        result = check(web.url)
    if is_right:
        result.passes("http.access", Layer.ACCESS, PAGES, API_ORIGIN)
    else:
        finding = result.fails(
            "http.other-api",
            Layer.ACCESS,
            API_ORIGIN,
            hint=f"build or start the dashboard with the origin in {API_ORIGIN}",
        )
        assert f"was built for the API at https://api.other.example, not for {API}" in finding.message


@pytest.mark.parametrize("before", profiles.first(1, [3_000_000, 786_432 - 30, 786_432 - 1024, 0]))
def test_origin_in_a_large_script(tmp_path: Path, before: int) -> None:
    """A server of files sends it in parts."""
    script = "x" * before + BUILDS["backticks"] % API + "y" * 100_000
    (tmp_path / "index-3OUaME_p.js").write_text(script)
    routes = [Mount("/assets", StaticFiles(directory=tmp_path)), Mount("/", site(TITLE + SCRIPT))]
    with web_server(Starlette(routes=routes)) as web:
        check(web.url).passes("http.access", Layer.ACCESS, PAGES, API_ORIGIN)


def test_large_script_of_a_server_that_sends_no_parts() -> None:
    with web_server(site(TITLE + SCRIPT, {"/assets/index-3OUaME_p.js": javascript("x" * 3_000_000)})) as web:
        check(web.url).passes("http.access", Layer.ACCESS, PAGES)


@pytest.mark.parametrize("quote", ["'", '"'])
def test_configuration_that_is_loaded_wins_over_the_build(quote: str) -> None:
    config = f"window.__MISTLE_RUNTIME_CONFIG__ = {{\n  controlPlaneApiOrigin: {quote}{API}{quote},\n}};"
    files = {
        "/runtime-config.js": javascript(config),
        "/assets/index-3OUaME_p.js": javascript("n({VITE_CONTROL_PLANE_API_ORIGIN:`http://localhost:3000`})"),
    }
    with web_server(site(f'{TITLE}{SCRIPT}<script src="/runtime-config.js"></script>', files)) as web:
        check(web.url).passes("http.access", Layer.ACCESS, PAGES, API_ORIGIN)


def test_page_whose_scripts_do_not_tell_the_origin() -> None:
    with web_server(site(TITLE + SCRIPT, {"/assets/index-3OUaME_p.js": javascript("x()")})) as web:
        check(web.url).passes("http.access", Layer.ACCESS, PAGES)


@pytest.mark.parametrize(
    "page",
    profiles.first(
        1,
        [
            "<!doctype html><title>Grafana</title><script src=/public/build/app.js></script>",
            "<!doctype html><p>Welcome to nginx!",
            "<!doctype html><title>Mistle &#8211; Open-source agents</title>",
            '<html><head><title>Mistle dashboard 2</title><link rel="modulepreload" href="https://cdn.example/a.js">',
            "<title></title>",
        ],
    ),
)
def test_page_of_another_product(page: str) -> None:
    with web_server(site(page, {"/public/build/app.js": javascript("window.grafana = 1")})) as web:
        finding = check(web.url).fails("http.not-mistle", Layer.AUTH, PAGES, hint="correct the host and port")
    assert 'not "Mistle Dashboard"' in finding.message


def test_single_page_application_of_nginx_is_not_mistles() -> None:
    with proxy("http://127.0.0.1:1", "page") as server:
        finding = check(f"http://127.0.0.1:{server.port}").fails(
            "http.not-mistle", Layer.AUTH, PAGES, hint="host and port"
        )
    assert 'the title "Welcome"' in finding.message


def test_page_with_another_title_but_mistles_build() -> None:
    files = {"/assets/index-3OUaME_p.js": javascript(f"n({{VITE_CONTROL_PLANE_API_ORIGIN:`{API}`}})")}
    with web_server(site(f"<!doctype html><title>Our agents</title>{SCRIPT}", files)) as web:
        check(web.url).passes("http.access", Layer.ACCESS, PAGES, API_ORIGIN)


_BEGINNINGS = ("<script ", "<title ", "<script src=", "VITE_CONTROL_PLANE_API_ORIGIN ")


@pytest.mark.parametrize("part", profiles.first(1, _BEGINNINGS))
def test_page_of_many_beginnings_is_searched_at_once(part: str) -> None:
    """The time for a search is in proportion to the page, whatever it holds."""
    page = Reply(200, {}, (part * 400_000).encode()[: 2**18])
    started = time.process_time()
    assert list(_scripts(Endpoint("http", "localhost", 80), page)) == []
    assert not [pattern for pattern in (_TITLE, _ORIGIN) if pattern.search(page.body)]
    assert time.process_time() - started < 5


def test_page_whose_scripts_are_gone() -> None:
    with web_server(site(TITLE + SCRIPT)) as web:
        finding = check(web.url).fails("http.not-the-dashboard", Layer.ACCESS, PAGES, hint="send every path")
    assert "its script /assets/index-3OUaME_p.js answers with a page" in finding.message


def test_path_that_is_not_the_page() -> None:
    page = HTMLResponse(TITLE)
    with web_server(Starlette(routes=[Route("/", lambda _: page)])) as web:
        check(web.url).warns("http.not-the-dashboard", Layer.ACCESS, PAGES, hint="every path")


def test_encoded_page_proves_nothing() -> None:
    page = Response(b"\x0b\x02\x80", media_type="text/html", headers={"content-encoding": "br"})
    with web_server(Starlette(routes=[Route("/{path:path}", lambda _: page)])) as web:
        result = check(web.url)
    assert result.status is Status.SKIP, result
    assert "the page is encoded" in result["http.auth"].message


def test_dashboard_below_a_path() -> None:
    with web_server(Starlette(routes=[Mount("/mistle", dashboard(lambda: API))])) as web:
        page = check(f"{web.url}/mistle/")  # its script is named from the root, where no file is
    page.passes("http.access", Layer.ACCESS, PAGES)


# The API at the dashboard's own origin


def entrance(api: ASGIApp | Response) -> ASGIApp:
    """One entrance for both, as in the single container."""
    route = Route("/v1/{path:path}", lambda _: api) if isinstance(api, Response) else Mount("/v1", _below("/v1", api))
    return Starlette(routes=[route, Mount("/", dashboard(lambda: "same-origin"))])


def _below(prefix: str, app: ASGIApp) -> ASGIApp:
    async def below(scope, receive, send):  # type: ignore[no-untyped-def]
        path = scope["path"] if scope["path"].startswith(prefix) else prefix + scope["path"]
        await app({**scope, "path": path, "root_path": ""}, receive, send)

    return below


def test_same_origin() -> None:
    with web_server(entrance(control_plane_api())) as web:
        check(web.url, "same-origin").passes("http.access", Layer.ACCESS, PAGES, API_ORIGIN)
        check(web.url, web.url).passes("http.access", Layer.ACCESS, PAGES, API_ORIGIN)


def test_same_origin_in_the_single_container() -> None:
    """nginx sends /v1/ to the API, and answers every other path with the page."""
    with web_server(control_plane_api()) as api, proxy(api.url, "single_container") as server:
        check(f"http://127.0.0.1:{server.port}", "same-origin").passes("http.access", Layer.ACCESS, PAGES)


def test_build_for_its_own_origin_works_in_spite_of_the_configuration() -> None:
    """The single container's image is built for its own origin, whatever its configuration names."""
    with web_server(entrance(control_plane_api())) as web:
        finding = check(web.url).warns("http.other-api", Layer.ACCESS, API_ORIGIN, hint="or correct that")
    assert finding.message == (
        f"the dashboard was built for the API at {web.url}, not for {API}; the API answers there, so the pages work"
    )


def test_build_for_another_origin_than_its_own() -> None:
    with web_server(dashboard(lambda: API)) as web:
        finding = check(web.url, "same-origin").fails(
            "http.other-api", Layer.ACCESS, API_ORIGIN, hint="or correct that"
        )
    assert f"was built for the API at {API}, not for {web.url}" in finding.message


def test_same_origin_without_the_api() -> None:
    with web_server(dashboard(lambda: "same-origin")) as web:
        finding = check(web.url, "same-origin").fails(
            "http.sign-in-unreachable", Layer.ACCESS, API_ORIGIN, hint="send /v1/ to the control-plane API"
        )
    assert "GET /v1/auth/ok answers 200 text/html" in finding.message


@pytest.mark.parametrize(
    ("reply", "id_", "keys"),
    profiles.first(
        1,
        [
            (PlainTextResponse("no", 404), "http.sign-in-unreachable", API_ORIGIN),
            (JSONResponse({"status": "ok"}), "http.sign-in-unreachable", API_ORIGIN),
            (PlainTextResponse("bad gateway", 502), "http.bad-gateway", PAGES),
        ],
    ),
)
def test_same_origin_with_something_else_below_v1(reply: Response, id_: str, keys: str) -> None:
    with web_server(entrance(reply)) as web:
        check(web.url, "same-origin").fails(id_, Layer.ACCESS, keys, hint="proxy")


def test_same_origin_that_limits_requests_is_no_failure() -> None:
    with web_server(entrance(PlainTextResponse("slow down", 429))) as web:
        assert check(web.url, "same-origin").status is Status.OK
