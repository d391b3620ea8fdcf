"""Bootstrap tokens, which sandboxes exchange at the gateway's tunnel; nothing is written for it."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import jwt
import pytest
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp

from checks.core.finding import Layer, Status
from preflight.demo.servers.mistle import Gateway
from preflight.demo.servers.tunnel import BOOTSTRAP, EXCHANGE_CLAIMS, Signature
from preflight.demo.servers.web import Guard
from tests.harness import faults, profiles
from tests.harness.full_deployment import MIGRATIONS
from tests.harness.run_check import CheckRun, planned, run_check
from tests.testbed import Authority, Postgres, Valkey
from tests.testbed.proxy import proxy
from tests.testbed.web import web_server

NAME, PUBLIC = (f"services.data_plane_gateway.sandbox_ws_{way}" for way in ("internal", "public"))
URL, DATABASE = f"{NAME}_url", "postgres.data_plane.pooled_url"
TOKENS = {
    f"sandbox.tokens.{kind}.{field}": getattr(signature, field)
    for kind, signature in (("connect", Signature()), ("bootstrap", BOOTSTRAP))
    for field in ("secret", "issuer", "audience")
}
CONNECT, KEYS = tuple(TOKENS)[:3], tuple(TOKENS)[3:]
SECRET, ISSUER, AUDIENCE = KEYS


def check(
    server_url: str, path: str = "/tunnel/sandbox", changes: Mapping[str, str] = {}, **options: object
) -> CheckRun:
    url = server_url.replace("http", "ws", 1) + path
    return run_check(NAME, {URL: url, **TOKENS, **changes}, **options)  # type: ignore[arg-type]


def exchanging(gateway: Gateway, reply: Response, *, for_right: bool = True, for_wrong: bool = True) -> ASGIApp:
    """A gateway, or a proxy in front of it, that sends this reply to exchanges."""

    def own(request: HTTPConnection) -> Response | None:
        chosen = for_right if _is_right(request.headers.get("authorization", "")) else for_wrong
        return reply if request.url.path.endswith("/token-exchange") and chosen else None

    return Guard(gateway.application(), own)


def _is_right(authorization: str) -> bool:
    try:
        return bool(BOOTSTRAP.claims(authorization.removeprefix("Bearer "), EXCHANGE_CLAIMS))
    except jwt.InvalidTokenError:
        return False


@profiles.quick
def test_bootstrap_tokens_are_proven(gateway: Gateway) -> None:
    with web_server(gateway.application()) as web:
        result = check(web.url)
    assert result.status is Status.OK, result
    assert [finding.layer for finding in result.findings] == ["dns", "connect", "auth", "auth", "access"]
    assert [finding.fields for finding in result.findings[2:]] == [(URL, *CONNECT), KEYS, (URL,)]
    *_, wrong, right = web.requests
    assert (wrong.method, wrong.body, wrong.target) == (right.method, right.body, right.target)
    assert (right.method, right.body) == ("POST", b"")
    assert right.target.startswith("/tunnel/sandbox/mistle-preflight-")
    assert not _is_right(wrong.headers["authorization"])
    claims = BOOTSTRAP.claims(right.headers["authorization"].removeprefix("Bearer "), EXCHANGE_CLAIMS)
    assert right.target == f"/tunnel/sandbox/{claims['sandboxInstanceId']}/token-exchange"


def test_stores_are_the_same_before_and_after(postgres: Postgres, valkey: Valkey) -> None:
    database = postgres.database()
    postgres.sql(MIGRATIONS.read_text(), database=database)
    postgres.sql("INSERT INTO data_plane.sandbox_instances VALUES ('mine')", database=database)
    postgres.sql(f"GRANT USAGE ON SCHEMA data_plane TO {postgres.name}", database=database)
    postgres.sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA data_plane TO {postgres.name}", database=database)
    gateway = Gateway(valkey=valkey.url(), postgres=postgres.url(database=database), sandboxes=frozenset({"mine"}))

    def stores() -> object:
        rows = postgres.sql("SELECT id, xmin::text FROM data_plane.sandbox_instances", database=database)
        with valkey.client() as client:
            return rows, sorted(client.scan_iter()), [*gateway.writes]

    before = stores()
    with web_server(gateway.application()) as web:
        assert check(web.url).status is Status.OK
    assert stores() == before == ([("mine", before[0][0][1])], [], [])  # type: ignore[index]


@pytest.mark.parametrize(
    ("changes", "keys"),
    [
        ({SECRET: "another-secret-0123456789abcdef"}, KEYS),
        ({ISSUER: "data-plane-gateway"}, (ISSUER, AUDIENCE)),
        ({AUDIENCE: "data-plane-worker"}, (ISSUER, AUDIENCE)),
        ({ISSUER: "data-plane-gateway", AUDIENCE: "data-plane-worker"}, (ISSUER, AUDIENCE)),
    ],
    ids=["secret", "issuer", "audience", "swapped"],
)
def test_bootstrap_rejected(gateway: Gateway, changes: Mapping[str, str], keys: tuple[str, ...]) -> None:
    with web_server(gateway.application()) as web:
        result = check(web.url, changes=changes)
    finding = result.fails("tunnel.bootstrap-rejected", Layer.AUTH, *keys, hint="must not be swapped")
    assert "Tunnel exchange token" in finding.message
    assert result["tunnel.auth"].fields == (URL, *CONNECT)
    assert BOOTSTRAP.secret not in str(result)


def test_wrong_connect_secret_does_not_hide_a_wrong_bootstrap_secret(gateway: Gateway) -> None:
    wrong = "another-secret-0123456789abcdef"
    with web_server(gateway.application()) as web:
        result = check(web.url, changes={SECRET: wrong, CONNECT[0]: wrong})
        alone = check(web.url, changes={CONNECT[0]: wrong})
    assert result["tunnel.token-rejected"].fields == CONNECT
    assert result["tunnel.bootstrap-rejected"].fields == KEYS
    assert alone["tunnel.auth"].fields == KEYS


def test_bootstrap_not_checked(gateway: Gateway) -> None:
    reply = JSONResponse({"error": "Sandbox instance was not found."}, 404)
    with web_server(exchanging(gateway, reply)) as web:
        result = check(web.url)
    result.fails("tunnel.bootstrap-not-checked", Layer.AUTH, URL, hint="verify the token")
    assert not any(_is_right(request.headers.get("authorization", "")) for request in web.requests)


@pytest.mark.parametrize(
    "reply",
    [JSONResponse({"code": "NOT_FOUND"}, 404), PlainTextResponse("404 Not Found", 404), Response(status_code=405)],
    ids=["JSON", "text", "method"],
)
def test_gateway_that_knows_no_exchange(gateway: Gateway, reply: Response) -> None:
    with web_server(exchanging(gateway, reply)) as web:
        result = check(web.url)
    assert result.status is Status.SKIP, result
    skipped = [finding for finding in result.findings if finding.status is Status.SKIP]
    assert [(finding.layer, finding.fields) for finding in skipped] == [(Layer.AUTH, KEYS), (Layer.ACCESS, KEYS)]
    assert f"knows no token exchange, it answers {reply.status_code}" in skipped[0].message
    assert not any(_is_right(request.headers.get("authorization", "")) for request in web.requests)


@pytest.mark.parametrize("status", [400, 200])
def test_reply_that_does_not_prove_the_token(gateway: Gateway, status: int) -> None:
    with web_server(exchanging(gateway, PlainTextResponse("?", status), for_wrong=False)) as web:
        result = check(web.url)
    assert result.status is Status.SKIP, result
    assert {finding.fields for finding in result.findings if finding.status is Status.SKIP} == {KEYS}


@pytest.mark.parametrize(
    ("reply", "id_", "hint"),
    [
        (HTMLResponse("<p>Sign in", 401), "proxy.login-required", "without its login"),
        (Response(status_code=401, headers={"www-authenticate": "Basic"}), "proxy.login-required", "without its login"),
        (JSONResponse({"message": "Unauthorized"}, 401), "proxy.login-required", "without its login"),
        (PlainTextResponse("forbidden by policy", 403), "proxy.refused", "allow Mistle's requests"),
        (HTMLResponse("<!doctype html>"), "tunnel.not-gateway", "send this path to it"),
        (PlainTextResponse("?", 400), "tunnel.not-gateway", "send this path to it"),
    ],
    ids=["login", "challenge", "JSON", "policy", "page", "400"],
)
def test_something_else_in_front_of_the_exchange(gateway: Gateway, reply: Response, id_: str, hint: str) -> None:
    with web_server(exchanging(gateway, reply)) as web:
        finding = check(web.url).fails(id_, Layer.AUTH, URL, hint=hint)
    assert str(reply.status_code) in finding.message
    assert not any(_is_right(request.headers.get("authorization", "")) for request in web.requests)


def test_busy_proxy_in_front_of_the_exchange(gateway: Gateway) -> None:
    with web_server(exchanging(gateway, PlainTextResponse("slow down", 429))) as web:
        check(web.url).warns("proxy.rate-limited", Layer.AUTH, URL, hint="run this again later")


@profiles.long
def test_proxy_without_the_exchange(gateway: Gateway) -> None:
    for reply, id_ in ((HTMLResponse("bad", 502), "bad-gateway"), (PlainTextResponse("no", 500), "bad-gateway")):
        with web_server(exchanging(gateway, reply)) as web:
            check(web.url).fails(f"tunnel.{id_}", Layer.AUTH, URL, hint="upstream")
    for path, hint in (("/", "the gateway itself"), ("/x/token-exchange", "that it redirects to")):
        redirect = Response(status_code=308, headers={"location": f"https://elsewhere.test{path}?token=x"})
        with web_server(exchanging(gateway, redirect)) as web:
            check(web.url).fails("tunnel.redirects", Layer.AUTH, URL, hint=hint)


def test_gateway_without_its_postgres(postgres: Postgres) -> None:
    gateway = Gateway(postgres=postgres.url(database="absent"))
    with web_server(gateway.application()) as web:
        result = check(web.url)
    finding = result.fails("gateway.postgres-unreachable", Layer.ACCESS, DATABASE, hint=f"the check of {DATABASE}")
    assert "500" in finding.message
    assert [finding.fields for finding in result.findings if finding.id == "tunnel.auth"] == [(URL, *CONNECT), KEYS]


@profiles.long
def test_gateway_whose_postgres_is_silent(gateway: Gateway) -> None:
    with faults.silent_port() as port:
        gateway.postgres = f"postgresql://u:p@127.0.0.1:{port}/d"
        with web_server(gateway.application()) as web:
            result = check(web.url, timeout=2.0)
    finding = result.fails("gateway.postgres-unreachable", Layer.ACCESS, DATABASE, hint="the gateway's log")
    assert "no reply in time" in finding.message
    skipped = next(finding for finding in result.findings if finding.status is Status.SKIP)
    assert skipped.fields == KEYS


@pytest.mark.parametrize("path", profiles.first(1, ["/tunnel/sandbox", "/tunnel/sandbox/"]))
def test_tls_through_a_proxy(gateway: Gateway, authority: Authority, path: str) -> None:
    leaf = authority.leaf()
    with (
        authority.trusted() as extra,
        web_server(gateway.application()) as web,
        proxy(web.url, "passes", leaf) as front,
    ):
        result = check(f"https://127.0.0.1:{front.port}", path, extra=Path(extra))
    assert result.status is Status.OK, result


def test_secret_in_the_form_of_a_key_pair(gateway: Gateway) -> None:
    subject = planned(NAME, {URL: "ws://gateway:8084/tunnel/sandbox", **TOKENS})
    pem = "-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----"
    with web_server(gateway.application()) as web:
        result = check(web.url, changes={SECRET: pem})
    assert result.status is Status.SKIP, result
    assert BOOTSTRAP.secret not in repr(subject)


def test_public_url_at_the_same_address_is_the_same_check() -> None:
    same = {f"{way}_url": "ws://gateway:8084/tunnel/sandbox" for way in (NAME, PUBLIC)}
    internal, public = (planned(name, {**same, **TOKENS}) for name in (NAME, PUBLIC))
    assert internal == public
    assert {*KEYS, DATABASE}.isdisjoint(key for keys in public.sources.values() for key in keys)
    other = planned(PUBLIC, {**same, **TOKENS, f"{PUBLIC}_url": "wss://gateway.example/tunnel/sandbox"})
    assert replace(other, endpoint=internal.endpoint) != internal  # type: ignore[call-arg, attr-defined]
