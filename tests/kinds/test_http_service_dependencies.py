"""What each of Mistle's APIs reads: its Postgres, and the other API. Nothing is written for it."""

from collections.abc import Callable, Mapping

import pytest
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp

from checks.core.finding import Layer, Status
from checks.http_service.dependencies import CONTROL_PLANE_API, DATA_PLANE_API, DependencyProbe
from preflight.demo.servers.mistle import TOKEN, Service, control_plane_api, data_plane_api
from preflight.demo.servers.web import Guard
from tests.harness import faults, profiles
from tests.harness.full_deployment import MIGRATIONS
from tests.harness.run_check import CheckRun, run_check
from tests.testbed import Postgres
from tests.testbed.web import web_server

CONTROL, DATA = (f"services.{plane}_plane_api" for plane in ("control", "data"))
URLS = {f"{CONTROL}.internal": f"{CONTROL}.internal_url", f"{DATA}.internal": f"{DATA}.internal_url"}
TOKEN_KEY = "internal_auth.shared_token.token"
DATABASES = {
    f"{CONTROL}.internal": "postgres.control_plane.pooled_url",
    f"{DATA}.internal": "postgres.data_plane.pooled_url",
}
IDS = {
    f"{CONTROL}.internal": "control-plane-api.postgres-unreachable",
    f"{DATA}.internal": "data-plane-api.postgres-unreachable",
}
APPS: Mapping[str, Callable[..., ASGIApp]] = {
    f"{CONTROL}.internal": control_plane_api,
    f"{DATA}.internal": data_plane_api,
}
READS = [(name, read) for name, reads in zip(APPS, (CONTROL_PLANE_API, DATA_PLANE_API), strict=True) for read in reads]
EACH_READ = pytest.mark.parametrize(("name", "read"), READS, ids=[read.cause.id for _, read in READS])


def check(name: str, url: str, **options: object) -> CheckRun:
    return run_check(name, {URLS[name]: url, TOKEN_KEY: TOKEN}, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def migrated(postgres: Postgres) -> str:
    """The name of a database with both planes; the role may read all of it."""
    database = postgres.database()
    postgres.sql(MIGRATIONS.read_text(), database=database)
    for plane in ("control_plane", "data_plane"):
        postgres.sql(f"GRANT USAGE ON SCHEMA {plane} TO {postgres.name}", database=database)
        postgres.sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA {plane} TO {postgres.name}", database=database)
    return database


def contents(postgres: Postgres, database: str) -> object:
    statements = (
        "control_plane.organizations",
        "control_plane.organization_credential_keys",
        "data_plane.sandbox_instances",
    )
    return [postgres.sql(f"SELECT xmin::text, t.* FROM {table} t", database=database) for table in statements]


@profiles.quick
def test_apis_read_without_effect(postgres: Postgres, migrated: str) -> None:
    before, url = contents(postgres, migrated), postgres.url(database=migrated)
    with (
        web_server(data_plane_api(postgres=url)) as data,
        web_server(control_plane_api(postgres=url, data_plane=data.url)) as control,
    ):
        results = {
            f"{CONTROL}.internal": check(f"{CONTROL}.internal", control.url),
            f"{DATA}.internal": check(f"{DATA}.internal", data.url),
        }
    for name, about in zip(results, ("its Postgres and the data plane", "its Postgres"), strict=True):
        finding = results[name].passes("http.access", Layer.ACCESS, URLS[name])
        assert finding.message == f"healthy, and reads {about}"
    assert contents(postgres, migrated) == before
    read = [request.target for request in data.requests if "/instances/" in request.target]
    assert len(read) == 2
    assert all("/mistle-preflight-" in target for target in read)


@pytest.mark.parametrize("name", APPS)
def test_api_without_its_postgres(name: str, postgres: Postgres) -> None:
    with web_server(APPS[name](postgres=postgres.url(database="absent"))) as web:
        result = check(name, web.url)
    key = DATABASES[name]
    finding = result.fails(IDS[name], Layer.ACCESS, key, hint=f"the check of {key}")
    assert "is answered 500 text/plain" in finding.message
    assert result["http.auth"].status is Status.OK


@profiles.long
@pytest.mark.parametrize("name", APPS)
def test_api_whose_postgres_is_silent(name: str) -> None:
    with faults.silent_port() as port, web_server(APPS[name](postgres=f"postgresql://u:p@127.0.0.1:{port}/d")) as web:
        result = check(name, web.url, timeout=2.0)
    finding = result.fails(IDS[name], Layer.ACCESS, DATABASES[name], hint="log")
    assert finding.message.endswith("gets no reply in time")


def unreachable_data_plane(data_plane: str) -> CheckRun:
    with web_server(control_plane_api(data_plane=data_plane)) as web:
        result = check(f"{CONTROL}.internal", web.url)
    result.fails(
        "control-plane-api.data-plane-unreachable", Layer.ACCESS, URLS[f"{DATA}.internal"], hint="same URL and token"
    )
    return result


def test_control_plane_with_a_wrong_url_of_the_data_plane() -> None:
    with faults.refused_port() as port:
        unreachable_data_plane(f"http://127.0.0.1:{port}")


@profiles.long
def test_control_plane_with_another_token_than_the_data_plane() -> None:
    with web_server(data_plane_api(Service(token="another-token-0123456789abcdef"))) as data:
        unreachable_data_plane(data.url)


@profiles.long
def test_data_plane_without_its_postgres_is_seen_from_the_control_plane(postgres: Postgres) -> None:
    with web_server(data_plane_api(postgres=postgres.url(database="absent"))) as data:
        unreachable_data_plane(data.url)


@profiles.long
def test_both_reads_fail_at_once(postgres: Postgres) -> None:
    url = postgres.url(database="absent")
    with web_server(control_plane_api(postgres=url, data_plane="http://127.0.0.1:1")) as web:
        result = check(f"{CONTROL}.internal", web.url)
    failed = [finding.id for finding in result.findings if finding.status is Status.FAIL]
    assert failed == [read.cause.id for read in CONTROL_PLANE_API]


def replying(name: str, read: DependencyProbe, reply: Response) -> ASGIApp:
    """The service, which sends this reply to the read."""
    path = read.path.partition("{")[0].partition("?")[0]

    def own(request: Request) -> Response | None:
        is_read = request.url.path.startswith(path) if path.endswith("/") else request.url.path == path
        return reply if is_read else None

    return Guard(APPS[name](), own)


@EACH_READ
@pytest.mark.parametrize(
    "reply",
    profiles.first(
        2,
        [
            JSONResponse({"code": "NOT_FOUND"}, 404),
            PlainTextResponse("404 Not Found", 404),
            JSONResponse({"code": "VALIDATION_ERROR"}, 400),
            JSONResponse([], 200),
            PlainTextResponse("slow down", 429),
        ],
    ),
)
def test_api_of_another_release(name: str, read: DependencyProbe, reply: Response) -> None:
    """It does not know the route, or other parameters: that is no fault."""
    with web_server(replying(name, read, reply)) as web:
        result = check(name, web.url)
    assert result.status is Status.SKIP, result
    assert result["http.access"].message.startswith(
        f"that it reads {read.about} is not proven: {read.method} /internal/"
    )
    assert str(reply.status_code) in result["http.access"].message
    assert result["http.auth"].fields == (URLS[name], TOKEN_KEY)


@EACH_READ
@pytest.mark.parametrize(
    ("reply", "id_"), [(PlainTextResponse("no", 403), "internal-blocked"), (HTMLResponse("no", 502), "bad-gateway")]
)
def test_proxy_that_refuses_a_read(name: str, read: DependencyProbe, reply: Response, id_: str) -> None:
    with web_server(replying(name, read, reply)) as web:
        result = check(name, web.url)
    finding = result.fails(f"http.{id_}", result[f"http.{id_}"].layer, URLS[name], hint=URLS[name])
    assert f"{read.method} /internal/" in finding.message
