"""Google's token endpoint, each fault for real."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from checks.core.check import Layer, Status
from checks.net.http import Endpoint
from preflight.config.loader import load
from preflight.plan.plan import plan
from tests.harness import configs, faults, floods, hostile_replies, profiles, text_servers_http
from tests.harness.answers import Replies, http
from tests.harness.descriptor import Descriptor, DriverError, Family, Target, WebCheck
from tests.harness.fault_rows import TERMINAL, Protocol, Verdict, json_http, of_provider
from tests.harness.provider_override import endless, garbage, https, hung, run_check_at
from tests.harness.run_check import CheckRun, planned
from tests.servers.google import CLIENT_ID, CLIENT_SECRET, google
from tests.testbed import Authority, self_signed
from tests.testbed.web import Web, web_server

NAME = "services.control_plane_api.auth.google"
ID, SECRET = f"{NAME}.client_id", f"{NAME}.client_secret"
METHODS = "services.control_plane_api.auth.enabled_methods"


def values(client_id: str = CLIENT_ID, secret: str = CLIENT_SECRET) -> dict[str, object]:
    return {METHODS: ("otp", "google"), ID: client_id, SECRET: secret}


@pytest.fixture(scope="module")
def trusted(authority: Authority) -> Iterator[Path]:
    with authority.trusted() as path:
        yield Path(path)


@pytest.fixture(scope="module")
def server(authority: Authority) -> Iterator[Web]:
    with web_server(google(), authority.leaf()) as web:
        yield web


def check(port: int, trusted: Path, *client: str, **options: object) -> CheckRun:
    return run_check_at(https(port, "/token"), NAME, values(*client), extra=trusted, **options)


def answered(response: Response, authority: Authority, trusted: Path) -> CheckRun:
    with web_server(response, authority.leaf()) as web:
        return check(web.port, trusted)


def refusal(code: str, words: str, status: int = 401) -> Response:
    return JSONResponse({"error": code, "error_description": words}, status)


@profiles.quick
def test_every_rung_passes(server: Web, trusted: Path) -> None:
    server.requests.clear()
    found = check(server.port, trusted, read_only=True)
    found.passes("google.auth", Layer.AUTH, ID, SECRET)
    assert [finding.layer for finding in found.findings] == ["dns", "connect", "tls", "auth"]
    shown = [parse_qs(request.body.decode()) for request in server.requests]
    assert [form["client_secret"] == [CLIENT_SECRET] for form in shown] == [True, False]
    assert {(request.method, request.target) for request in server.requests} == {("POST", "/token")}


def test_unknown_client(server: Web, trusted: Path) -> None:
    found = check(server.port, trusted, "1-other.apps.googleusercontent.com")
    finding = found.fails("google.client-rejected", Layer.AUTH, ID, hint=f"{ID} (mistle.toml)")
    assert finding.message == "Google says: invalid_client: The OAuth client was not found."


def test_wrong_secret(server: Web, trusted: Path) -> None:
    found = check(server.port, trusted, CLIENT_ID, "GOCSPX-other")
    found.fails("google.client-rejected", Layer.AUTH, SECRET, hint=f"{SECRET} (mistle.toml)")


@pytest.mark.parametrize(
    ("code", "words", "blamed"),
    [
        ("invalid_client", "The provided client secret is invalid.", (SECRET,)),
        ("deleted_client", "The OAuth client was deleted.", (ID,)),
        ("disabled_client", "The OAuth client was disabled.", (ID,)),
        ("unauthorized_client", "No.", (ID, SECRET)),
        ("invalid_client", "", (ID, SECRET)),
    ],
)
def test_google_says_what_is_wrong(
    authority: Authority, trusted: Path, code: str, words: str, blamed: tuple[str, ...]
) -> None:
    found = answered(refusal(code, words), authority, trusted)
    finding = found.fails("google.client-rejected", Layer.AUTH, *blamed, hint="Credentials")
    assert words in finding.message


def test_a_code_that_is_refused_before_the_secret_proves_nothing(authority: Authority, trusted: Path) -> None:
    found = answered(refusal("invalid_grant", "Malformed auth code.", 400), authority, trusted)
    assert found.status is Status.SKIP, found
    assert found["google.auth"].message.startswith("not proven: Google refuses the made-up code before")
    assert found["google.auth"].fields == (ID, SECRET)


def test_an_answer_about_something_else_proves_nothing(authority: Authority, trusted: Path) -> None:
    found = answered(refusal("redirect_uri_mismatch", "Bad Request", 400), authority, trusted)
    finding = found.warns("google.unexpected-reply", Layer.AUTH, ID, SECRET, hint="until then")
    assert finding.message == "not proven: Google answers 400 redirect_uri_mismatch: Bad Request"


@pytest.mark.parametrize(
    "response",
    [
        PlainTextResponse("<!doctype html><p>Welcome", media_type="text/html"),
        JSONResponse({"access_token": "x"}),
        JSONResponse({"error": {"code": 503}}, 503),
        RedirectResponse("https://accounts.google.com/"),
        PlainTextResponse("Bad Gateway", 502),
    ],
)
def test_unexpected_reply(response: Response, authority: Authority, trusted: Path) -> None:
    found = answered(response, authority, trusted)
    found.fails("google.unexpected-reply", Layer.AUTH, ID, SECRET, hint="no proxy answers in Google's place")


def test_an_outage_between_the_two_questions(authority: Authority, trusted: Path) -> None:
    asked: list[object] = []

    async def once(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            asked.append(scope)
            late = PlainTextResponse("Bad Gateway", 502)
            await (late if len(asked) > 1 else refusal("invalid_grant", "", 400))(scope, receive, send)

    with web_server(once, authority.leaf()) as web:
        check(web.port, trusted).fails("google.unexpected-reply", Layer.AUTH, ID, SECRET, hint="proxy")


def test_network_faults_blame_what_asks_for_google(trusted: Path) -> None:
    hint = f"take google out of {METHODS} (mistle.toml)"
    with faults.refused_port() as port:
        check(port, trusted).fails("network.refused", Layer.CONNECT, METHODS, hint=hint)
    with faults.black_hole() as port:
        check(port, trusted, timeout=1.0).fails("network.timeout", Layer.CONNECT, METHODS, hint=hint)
    with faults.silent_port() as port:
        check(port, trusted, timeout=1.0).fails("network.silent", Layer.TLS, METHODS, hint=hint)
    nowhere = Endpoint("https", "oauth2.invalid", 443, "/token")
    run_check_at(nowhere, NAME, values()).fails("network.name-not-found", Layer.DNS, METHODS, hint=hint)


def test_servers_that_answer_nothing_or_anything(authority: Authority, trusted: Path) -> None:
    leaf = authority.leaf()
    with hung(leaf) as port:
        check(port, trusted, timeout=3.0).fails("network.silent", Layer.AUTH, METHODS, hint="take google out")
    with garbage(leaf) as port:
        check(port, trusted).fails("google.unexpected-reply", Layer.AUTH, ID, SECRET, hint="proxy")
    with endless(leaf) as port:
        check(port, trusted).fails("google.unexpected-reply", Layer.AUTH, ID, SECRET, hint="proxy")


def test_trust_is_mistles(server: Web, trusted: Path) -> None:
    found = run_check_at(https(server.port, "/token"), NAME, values())
    found.fails("tls.untrusted", Layer.TLS, METHODS, hint="NODE_EXTRA_CA_CERTS")
    with web_server(google(), self_signed()) as web:
        check(web.port, trusted).fails("tls.self-signed", Layer.TLS, METHODS, hint="NODE_EXTRA_CA_CERTS")


def test_where_it_leads() -> None:
    assert planned(NAME, values()).target == "oauth2.googleapis.com:443"


def test_the_secret_is_in_no_text() -> None:
    subject = planned(NAME, values(secret="GOCSPX-hunter2"))
    assert "hunter2" not in repr(subject) + subject.target


def test_a_secret_of_any_characters_is_sent_whole(authority: Authority, trusted: Path) -> None:
    secret = "ключ &=+%\n"
    with web_server(google(client_secret=secret), authority.leaf()) as web:
        check(web.port, trusted, CLIENT_ID, secret).passes("google.auth", Layer.AUTH, ID, SECRET)


def test_a_section_that_is_not_enabled_is_not_asked(tmp_path: Path) -> None:
    changes = {**configs.GOOGLE, METHODS: ["otp"]}
    assert NAME not in [check.name for check in plan(load(configs.write(tmp_path, changes), {})).checks]


def test_it_is_the_control_plane_apis(tmp_path: Path) -> None:
    config = load(configs.write(tmp_path, configs.GOOGLE), {})
    assert NAME in [check.name for check in plan(config, service="control_plane_api").checks]
    assert NAME not in [check.name for check in plan(config, service="data_plane_api").checks]


# For the attacks on all kinds

_REPLIES = Replies(
    {
        "token": ("400 Bad Request", {"error": "invalid_grant", "error_description": "Malformed auth code."}),
        "wrong": ("401 Unauthorized", {"error": "invalid_client", "error_description": "Unauthorized"}),
    },
    (("client_secret=google-client-secret", "token"), ("", "wrong")),
)


def _refused(code: str) -> text_servers_http.Answer:
    return partial(text_servers_http.in_json, 401, lambda text: {"error": code, "error_description": text})


def _right(request: text_servers_http.Request) -> bytes:
    is_random = b"client_secret=mistle-preflight" in request.raw
    return text_servers_http.api(
        *((401, {"error": "invalid_client"}) if is_random else (400, {"error": "invalid_grant"}))
    )


DESCRIPTOR = Descriptor(
    rows=(
        of_provider(
            "google",
            Protocol(
                Layer.AUTH,
                reply=json_http("400 Bad Request", error="invalid_grant"),
                refusal=json_http("401 No", error="invalid_client", error_description=TERMINAL),
            ),
            NAME,
            {METHODS: ["google"], ID: "id", SECRET: "secret"},
            METHODS,
            (
                Verdict("google.unexpected-reply", keys=(ID, SECRET)),
                Verdict("google.client-rejected", keys=(ID, SECRET)),
            ),
        ),
    ),
    targets={
        "google": Target(
            name=NAME,
            key=ID,
            values=lambda _: {METHODS: ["google"], ID: "google-client-id", SECRET: "google-client-secret"},
            transport="tls",
            replies=_REPLIES,
            floods=floods.SHARED_OVER_HTTP,
            flood_findings=frozenset({"google.unexpected-reply"}),
            texts={
                "a refusal": hostile_replies.in_json(
                    _REPLIES, "token", "401 No", lambda text: {"error": "invalid_client", "error_description": text}
                )
            },
            driver_error=DriverError(
                "httpx.Response.aiter_raw", "httpx._models", http(_REPLIES, {}), "google.unexpected-reply", Layer.AUTH
            ),
        )
    },
    families={
        "google": Family(
            checks="services.control_plane_api.auth",
            scenes={code: _refused(code) for code in ("invalid_client", "deleted_client", "redirect_uri_mismatch")}
            | {
                "the code": partial(text_servers_http.in_json, 400, lambda text: {"error": text}),
                "no json": partial(text_servers_http.in_headers, 403),
            },
            path="^/token",
            right=_right,
            provider_path="/token",
        )
    },
    web_checks={"Google": WebCheck("`google`", NAME, google, path="/token")},
    web_settings={METHODS: ("otp", "google"), ID: CLIENT_ID, SECRET: CLIENT_SECRET},
)
