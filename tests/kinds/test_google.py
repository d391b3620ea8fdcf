"""Google's token endpoint, each fault for real."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from checks.core.finding import Layer, Status
from checks.net.endpoint import Endpoint
from preflight.config.loader import load
from preflight.plan.plan import plan
from tests.harness import configs, faults, floods, hostile_replies, profiles, text_servers_http
from tests.harness.answers import Replies, http
from tests.harness.descriptor import Descriptor, DriverError, Family, Target, WebCheck
from tests.harness.fault_rows import TERMINAL, Protocol, Verdict, json_http, of_provider
from tests.harness.provider_override import Provider, endless, garbage, https, hung, run_check_at
from tests.harness.run_check import planned
from tests.servers.google import CLIENT_ID, CLIENT_SECRET, google
from tests.testbed import Authority, self_signed
from tests.testbed.web import Web, web_server

NAME = "services.control_plane_api.auth.google"
ID, SECRET = f"{NAME}.client_id", f"{NAME}.client_secret"
METHODS = "services.control_plane_api.auth.enabled_methods"


def values(client_id: str = CLIENT_ID, secret: str = CLIENT_SECRET) -> dict[str, object]:
    return {METHODS: ("otp", "google"), ID: client_id, SECRET: secret}


PROVIDER = Provider(NAME, values, "/token")
check, answered = PROVIDER.check, PROVIDER.answered


@pytest.fixture(scope="module")
def server(authority: Authority) -> Iterator[Web]:
    with web_server(google(), authority.leaf()) as web:
        yield web


def refusal(code: str, description: str, status: int = 401) -> Response:
    return JSONResponse({"error": code, "error_description": description}, status)


@profiles.quick
def test_every_layer_passes(server: Web, trusted: Path) -> None:
    server.requests.clear()
    result = check(server.port, trusted, read_only=True)
    result.passes("google.auth", Layer.AUTH, ID, SECRET)
    assert [finding.layer for finding in result.findings] == ["dns", "connect", "tls", "auth"]
    shown = [parse_qs(request.body.decode()) for request in server.requests]
    assert [form["client_secret"] == [CLIENT_SECRET] for form in shown] == [True, False]
    assert {(request.method, request.target) for request in server.requests} == {("POST", "/token")}


def test_unknown_client(server: Web, trusted: Path) -> None:
    result = check(server.port, trusted, "1-other.apps.googleusercontent.com")
    finding = result.fails("google.client-rejected", Layer.AUTH, ID, hint=f"{ID} (mistle.toml)")
    assert finding.message == "Google reports: invalid_client: The OAuth client was not found."


def test_wrong_secret(server: Web, trusted: Path) -> None:
    result = check(server.port, trusted, CLIENT_ID, "GOCSPX-other")
    result.fails("google.client-rejected", Layer.AUTH, SECRET, hint=f"{SECRET} (mistle.toml)")


@pytest.mark.parametrize(
    ("code", "description", "blamed"),
    [
        ("invalid_client", "The provided client secret is invalid.", (SECRET,)),
        ("deleted_client", "The OAuth client was deleted.", (ID,)),
        ("disabled_client", "The OAuth client was disabled.", (ID,)),
        ("unauthorized_client", "No.", (ID, SECRET)),
        ("invalid_client", "", (ID, SECRET)),
    ],
)
def test_client_rejected_by_error_code(
    authority: Authority, trusted: Path, code: str, description: str, blamed: tuple[str, ...]
) -> None:
    result = answered(refusal(code, description), authority, trusted)
    finding = result.fails("google.client-rejected", Layer.AUTH, *blamed, hint="Credentials")
    assert description in finding.message


def test_code_refused_before_secret_proves_nothing(authority: Authority, trusted: Path) -> None:
    result = answered(refusal("invalid_grant", "Malformed auth code.", 400), authority, trusted)
    assert result.status is Status.SKIP, result
    assert result["google.auth"].message.startswith("not proven: Google refuses the made-up code before")
    assert result["google.auth"].fields == (ID, SECRET)


def test_other_error_code_proves_nothing(authority: Authority, trusted: Path) -> None:
    result = answered(refusal("redirect_uri_mismatch", "Bad Request", 400), authority, trusted)
    finding = result.warns("google.unexpected-reply", Layer.AUTH, ID, SECRET, hint="until then")
    assert finding.message == "not proven: Google answers 400 redirect_uri_mismatch: Bad Request"


@pytest.mark.parametrize(
    "response",
    [
        PlainTextResponse("<!doctype html><p>Welcome", media_type="text/html"),
        JSONResponse({"access_token": "x"}),
        JSONResponse({"error": {"code": 503}}, 503),
        RedirectResponse("https://console.example/"),
        PlainTextResponse("Bad Gateway", 502),
    ],
)
def test_unexpected_reply(response: Response, authority: Authority, trusted: Path) -> None:
    result = answered(response, authority, trusted)
    result.fails("google.unexpected-reply", Layer.AUTH, ID, SECRET, hint="no proxy answers in Google's place")


def test_outage_between_the_two_requests(authority: Authority, trusted: Path) -> None:
    requests_seen: list[object] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            requests_seen.append(scope)
            late = PlainTextResponse("Bad Gateway", 502)
            await (late if len(requests_seen) > 1 else refusal("invalid_grant", "", 400))(scope, receive, send)

    with web_server(app, authority.leaf()) as web:
        check(web.port, trusted).fails("google.unexpected-reply", Layer.AUTH, ID, SECRET, hint="proxy")


def test_network_faults_blame_enabled_methods(trusted: Path) -> None:
    hint = f"take google out of {METHODS} (mistle.toml)"
    with faults.refused_port() as port:
        check(port, trusted).fails("network.refused", Layer.CONNECT, METHODS, hint=hint)
    with faults.black_hole() as port:
        check(port, trusted, timeout=1.0).fails("network.timeout", Layer.CONNECT, METHODS, hint=hint)
    with faults.silent_port() as port:
        check(port, trusted, timeout=1.0).fails("network.silent", Layer.TLS, METHODS, hint=hint)
    unresolvable = Endpoint("https", "oauth2.invalid", 443, "/token")
    run_check_at(unresolvable, NAME, values()).fails("network.name-not-found", Layer.DNS, METHODS, hint=hint)


def test_no_reply_and_malformed_replies(authority: Authority, trusted: Path) -> None:
    leaf = authority.leaf()
    with hung(leaf) as port:
        check(port, trusted, timeout=3.0).fails("network.silent", Layer.AUTH, METHODS, hint="take google out")
    with garbage(leaf) as port:
        check(port, trusted).fails("google.unexpected-reply", Layer.AUTH, ID, SECRET, hint="proxy")
    with endless(leaf) as port:
        check(port, trusted).fails("google.unexpected-reply", Layer.AUTH, ID, SECRET, hint="proxy")


def test_untrusted_certificates(server: Web, trusted: Path) -> None:
    result = run_check_at(https(server.port, "/token"), NAME, values())
    result.fails("tls.untrusted", Layer.TLS, METHODS, hint="NODE_EXTRA_CA_CERTS")
    with web_server(google(), self_signed()) as web:
        check(web.port, trusted).fails("tls.self-signed", Layer.TLS, METHODS, hint="NODE_EXTRA_CA_CERTS")


def test_target() -> None:
    assert planned(NAME, values()).target == "oauth2.googleapis.com:443"


def test_secret_is_in_no_text() -> None:
    subject = planned(NAME, values(secret="GOCSPX-hunter2"))
    assert "hunter2" not in repr(subject) + subject.target


def test_secret_of_any_characters(authority: Authority, trusted: Path) -> None:
    secret = "ключ &=+%\n"
    with web_server(google(client_secret=secret), authority.leaf()) as web:
        check(web.port, trusted, CLIENT_ID, secret).passes("google.auth", Layer.AUTH, ID, SECRET)


def test_not_planned_unless_enabled(tmp_path: Path) -> None:
    changes = {**configs.GOOGLE, METHODS: ["otp"]}
    assert NAME not in [check.name for check in plan(load(configs.write(tmp_path, changes), {})).checks]


def test_planned_for_control_plane_api_only(tmp_path: Path) -> None:
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
