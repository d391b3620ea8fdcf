"""E2B's API, each fault for real."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import jsonschema
import pytest
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp

from checks.core.finding import Layer, Status
from checks.core.recorder import Settings
from checks.core.roots import Trust
from checks.e2b import E2b
from preflight.config.loader import load
from preflight.plan.plan import plan
from preflight.run.runner import run
from tests.harness import configs, faults, floods, hostile_replies, profiles, text_servers_http
from tests.harness.answers import Replies, http
from tests.harness.descriptor import Descriptor, DriverError, Family, Target, WebCheck
from tests.harness.fault_rows import TERMINAL, Protocol, Verdict, json_http, of_provider
from tests.harness.provider_override import Provider, endless, garbage, https, hung, run_check_at
from tests.harness.run_check import planned, run_check
from tests.servers.e2b import KEY, e2b
from tests.servers.e2b_schemas import REPLIES
from tests.testbed import Authority, self_signed
from tests.testbed.names import can_change_names, with_files
from tests.testbed.web import Web, web_server

NAME = "sandbox.e2b"
API_KEY, DOMAIN = f"{NAME}.api_key", f"{NAME}.domain"
CPU, MEMORY, IMAGE = f"{NAME}.cpu_count", f"{NAME}.memory_mb", "sandbox.default_base_image"
GATEWAY = "services.data_plane_gateway.sandbox_ws_internal_url"
ALIAS = "mistle-sandbox-base-088926277eab48e115019830"  # as Mistle names it for this image, 2 CPUs and 4096 MB

needs_names = pytest.mark.skipif(not can_change_names(), reason="only root on Linux can give a thread its own names")


def values(key: str = KEY, **changes: object) -> dict[str, object]:
    """`changes` by the last part of their key."""
    plain: dict[str, object] = {
        "sandbox.provider": "e2b",
        IMAGE: "ghcr.io/mistlehq/sandbox-base:latest",
        API_KEY: key,
        DOMAIN: "e2b.app",
        CPU: 2,
        MEMORY: 4096,
    }
    longer = {path.rpartition(".")[2]: path for path in (*plain, GATEWAY)}
    return plain | {longer[name]: value for name, value in changes.items()}


PROVIDER = Provider(NAME, values)
check, answered = PROVIDER.check, PROVIDER.answered


@pytest.fixture(scope="module")
def server(authority: Authority) -> Iterator[Web]:
    with web_server(e2b(own=[ALIAS]), authority.leaf()) as web:
        yield web


@profiles.quick
def test_built_template_passes(server: Web, trusted: Path) -> None:
    server.requests.clear()
    result = run_check_at(https(server.port), NAME, values(), extra=trusted, read_only=True)
    assert [finding.layer for finding in result.findings] == ["dns", "connect", "tls", "auth", "access"]
    result.passes("e2b.auth", Layer.AUTH, API_KEY)
    result.passes("e2b.access", Layer.ACCESS, IMAGE, CPU, MEMORY)
    assert result["e2b.tls"].fields == (DOMAIN,)
    (request,) = server.requests
    assert (request.method, request.target) == ("GET", f"/templates/aliases/{ALIAS}")
    assert request.headers["x-api-key"] == KEY
    assert request.headers["user-agent"].startswith("e2b-python-sdk/")


def test_template_not_built(authority: Authority, trusted: Path) -> None:
    result = answered(e2b(), authority, trusted)
    finding = result.passes("e2b.template-not-built", Layer.ACCESS)
    assert finding.message == f"{ALIAS} is built at first start, from ghcr.io/mistlehq/sandbox-base:latest"
    assert result["e2b.access"].fields == (), "nothing of the image is proven yet"


def test_template_of_another_team(authority: Authority, trusted: Path) -> None:
    result = answered(e2b(foreign=[ALIAS]), authority, trusted)
    finding = result.passes("e2b.template-foreign", Layer.ACCESS)
    assert "another team" in finding.message
    result.passes("e2b.auth", Layer.AUTH, API_KEY)


def test_key_rejected(server: Web, trusted: Path) -> None:
    result = check(server.port, trusted, "e2b_other")
    finding = result.fails("e2b.key-rejected", Layer.AUTH, API_KEY, hint=f"correct {API_KEY} (mistle.toml)")
    assert "Cannot get the team for the given API key" in finding.message
    assert result["e2b.access"].message == "not reached"


@pytest.mark.parametrize("key", ["e2b_ключ", "e2b_a\nb"])
def test_key_not_valid_in_a_header(server: Web, trusted: Path, key: str) -> None:
    finding = check(server.port, trusted, key).fails(
        "e2b.key-rejected", Layer.AUTH, API_KEY, hint="beginning with e2b_"
    )
    assert key not in finding.message


def test_blocked_team(authority: Authority, trusted: Path) -> None:
    result = answered(e2b(own=[ALIAS], banned=True), authority, trusted)
    finding = result.fails("e2b.team-blocked", Layer.AUTH, API_KEY, hint="settle it with E2B")
    assert "Team is blocked" in finding.message


def test_rate_limited(authority: Authority, trusted: Path) -> None:
    with web_server(e2b(busy=True), authority.leaf()) as web:
        result = check(web.port, trusted)
        result.warns("e2b.rate-limited", Layer.AUTH, API_KEY, hint="run this again later")
        assert len(web.requests) == 1, "asked again"
    assert result["e2b.access"].status is Status.SKIP


@pytest.mark.parametrize(
    "response",
    [
        PlainTextResponse("<!doctype html><p>Welcome", media_type="text/html"),
        JSONResponse(["x"]),
        JSONResponse({"templateID": "x"}),
        JSONResponse({"templateID": 5, "public": "x"}),
        JSONResponse({"code": 500, "message": "oops"}, 500),
        JSONResponse({"code": 503, "message": "no capacity"}, 503),
        JSONResponse({"code": 400, "message": "Invalid alias format"}, 400),
        JSONResponse({"message": 5}, 409),
        JSONResponse("No", 404),
        PlainTextResponse("404 page not found", 404),
        JSONResponse({"detail": "Unauthorized"}, 401),
        PlainTextResponse("[" * 100_000),
        PlainTextResponse("origin is down", 520),
        RedirectResponse("https://e2b.dev/"),
        PlainTextResponse("Bad Gateway", 502),
    ],
)
def test_unexpected_reply(response: Response, authority: Authority, trusted: Path) -> None:
    result = answered(response, authority, trusted)
    result.fails("e2b.unexpected-reply", Layer.AUTH, DOMAIN, hint=f"api.<{DOMAIN} (mistle.toml)> is E2B's API")


@pytest.mark.parametrize(
    "image", ["localhost:5000/sandbox", "registry:5000/sandbox", "10.0.0.7/sandbox", f"sha256:{'0' * 64}"]
)
def test_image_not_public(authority: Authority, trusted: Path, image: str) -> None:
    result = answered(e2b(), authority, trusted, default_base_image=image)
    finding = result.fails("e2b.image-not-public", Layer.ACCESS, IMAGE, hint=f"name it so in {IMAGE} (mistle.toml)")
    assert image in finding.message


@pytest.mark.parametrize("image", ["debian", "mistlehq/sandbox:1", "registry.mistle.example:5000/sandbox@sha256:0"])
def test_image_public(authority: Authority, trusted: Path, image: str) -> None:
    answered(e2b(), authority, trusted, default_base_image=image).passes("e2b.template-not-built", Layer.ACCESS)


def test_built_image_need_not_be_public(authority: Authority, trusted: Path) -> None:
    subject = planned(NAME, values(default_base_image="localhost:5000/sandbox"))
    assert isinstance(subject, E2b)
    answered(e2b(own=[subject.alias]), authority, trusted, default_base_image="localhost:5000/sandbox").passes(
        "e2b.access", Layer.ACCESS, IMAGE, CPU, MEMORY
    )


@needs_names
def test_gateway_with_private_addresses_only(server: Web, trusted: Path) -> None:
    url = "wss://gateway.mistle.example/tunnel/sandbox"
    result = with_files(
        {"/etc/hosts": b"127.0.0.1 localhost\n10.0.0.7 gateway.mistle.example\n"},
        lambda: check(server.port, trusted, sandbox_ws_internal_url=url),
    )
    finding = result.warns("e2b.gateway-not-public", Layer.FITNESS, GATEWAY, hint="public name servers give another")
    assert finding.message == "gateway.mistle.example is 10.0.0.7 here"


@needs_names
def test_api_of_a_domain(authority: Authority, trusted: Path) -> None:
    with web_server(e2b(own=[ALIAS]), authority.leaf("api.mistle.example")) as web:
        result = with_files(
            {"/etc/hosts": b"127.0.0.1 api.mistle.example\n"},
            lambda: run_check(NAME, values(domain=f"mistle.example:{web.port}"), extra=trusted),
        )
    result.passes("e2b.auth", Layer.AUTH, API_KEY)


@pytest.mark.parametrize("host", ["1.1.1.1", "[2606:4700::1111]"])
def test_public_gateway(server: Web, trusted: Path, host: str) -> None:
    result = check(server.port, trusted, sandbox_ws_internal_url=f"wss://{host}/tunnel/sandbox")
    assert result.status is Status.OK, result
    assert result["e2b.fitness"].fields == (), "that it is the gateway is for the tunnel's check to prove"


def test_unresolvable_gateway_is_skipped(server: Web, trusted: Path) -> None:
    result = check(server.port, trusted, sandbox_ws_internal_url="wss://gateway.mistle.example/tunnel")
    assert result["e2b.fitness"].status is Status.SKIP
    assert result.status is Status.SKIP, result


def test_network_faults_blame_domain(trusted: Path) -> None:
    with faults.refused_port() as port:
        check(port, trusted).fails("network.refused", Layer.CONNECT, DOMAIN, hint=f"{DOMAIN} (mistle.toml)")
    with faults.black_hole() as port:
        check(port, trusted, timeout=1.0).fails("network.timeout", Layer.CONNECT, DOMAIN, hint="open the port")
    with faults.silent_port() as port:
        check(port, trusted, timeout=1.0).fails("network.silent", Layer.TLS, DOMAIN, hint="not hung")
    with faults.http_port() as port:
        check(port, trusted).fails("network.plaintext-on-tls", Layer.TLS, DOMAIN, hint="TLS")


@pytest.mark.parametrize("domain", ["nowhere.invalid", "https://e2b.app", "e2b app", "e2b..app"])
def test_invalid_domain(domain: str) -> None:
    result = run_check(NAME, values(domain=domain), timeout=8.0)
    result.fails("network.name-not-found", Layer.DNS, DOMAIN, hint=f"correct the host name in {DOMAIN}")


def test_no_reply_and_malformed_replies(authority: Authority, trusted: Path) -> None:
    leaf = authority.leaf()
    with hung(leaf) as port:
        check(port, trusted, timeout=3.0).fails("network.silent", Layer.AUTH, DOMAIN, hint="not hung")
    with faults.tls_port(leaf.context()) as port:
        check(port, trusted).fails("network.reset", Layer.AUTH, DOMAIN, hint="log")
    with garbage(leaf) as port:
        check(port, trusted).fails("e2b.unexpected-reply", Layer.AUTH, DOMAIN, hint="proxy")
    with endless(leaf) as port:
        check(port, trusted).fails("e2b.unexpected-reply", Layer.AUTH, DOMAIN, hint="proxy")


def test_untrusted_certificates(server: Web, trusted: Path) -> None:
    run_check_at(https(server.port), NAME, values()).fails(
        "tls.untrusted", Layer.TLS, DOMAIN, hint="NODE_EXTRA_CA_CERTS"
    )
    with web_server(e2b(), self_signed()) as web:
        check(web.port, trusted).fails("tls.self-signed", Layer.TLS, DOMAIN, hint="NODE_EXTRA_CA_CERTS")


def test_expired_certificate(authority: Authority, trusted: Path) -> None:
    with web_server(e2b(), authority.expired()) as web:
        check(web.port, trusted).fails("tls.expired", Layer.TLS, DOMAIN, hint="renew")


# What the e2b package reads from its environment, at import too.
NONSENSE = {
    "E2B_API_URL": "http://127.0.0.1:1",
    "E2B_API_KEY": "e2b_other",
    "E2B_DEBUG": "true",
    "E2B_DOMAIN": "nowhere.invalid",
    "E2B_CONNECTION_RETRIES": "many",
    "E2B_HTTP_VERSION": "3",
    "HTTPS_PROXY": "http://127.0.0.1:1",
    "ALL_PROXY": "socks5://127.0.0.1:1",
    "SSL_CERT_FILE": "/dev/null",
}


def test_environment_changes_nothing(server: Web, trusted: Path) -> None:
    program = (
        "import sys; from pathlib import Path; import tests.kinds.test_e2b as t; "
        "print(t.verdict(int(sys.argv[1]), Path(sys.argv[2])))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, str(server.port), str(trusted)],
        env={**NONSENSE, "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        check=False,
        text=True,
        timeout=30,
    )
    assert ran.stdout == "ok\n", ran


def verdict(port: int, trusted: Path) -> Status:
    """Of a whole run, in a process of its own."""
    subject = replace(planned(NAME, values()), endpoint=https(port))  # type: ignore[call-arg]
    (result,) = run((subject,), Settings(Trust(trusted)), deadline=20.0, origins={}).results
    return result.status


@pytest.mark.parametrize(
    ("image", "cpu_count", "memory_mb", "alias"),
    [
        ("ghcr.io/mistlehq/sandbox-base:latest", 2, 4096, ALIAS),
        ("ghcr.io/mistlehq/sandbox-base:latest", 4, 4096, "mistle-sandbox-base-35c7ec4bc7eb2a4a9a82c3c0"),
        ('registry.example/ü"\\:1', 1, 512, "mistle-sandbox-base-e1b6ee4f99f2755fcb97c05c"),
    ],
)
def test_alias_equals_that_of_node(image: str, cpu_count: int, memory_mb: int, alias: str) -> None:
    subject = planned(NAME, values(default_base_image=image, cpu_count=cpu_count, memory_mb=memory_mb))
    assert isinstance(subject, E2b)
    assert subject.alias == alias


def test_defaults(tmp_path: Path) -> None:
    made = plan(load(configs.write(tmp_path, configs.E2B), {}), only=[NAME])
    (subject,) = made.checks
    assert subject.target == f"api.e2b.app:443 {ALIAS}"


def test_domain_with_port() -> None:
    assert planned(NAME, values(domain="e2b.mistle.example:8443")).target.startswith("api.e2b.mistle.example:8443 ")


def test_no_fitness_layer_for_plain_ws_gateway(tmp_path: Path) -> None:
    config = load(configs.write(tmp_path, {**configs.E2B, GATEWAY: "ws://data-plane-gateway:8084/tunnel/sandbox"}), {})
    (subject,) = plan(config, only=[NAME]).checks
    assert Layer.FITNESS not in subject.layers


@pytest.mark.parametrize("service", ["control_plane_api", "data_plane_api", "data_plane_worker"])
def test_services_that_use_e2b(tmp_path: Path, service: str) -> None:
    config = load(configs.write(tmp_path, configs.E2B), {})
    assert NAME in [subject.name for subject in plan(config, service=service).checks]


def test_not_planned_for_another_provider() -> None:
    with pytest.raises(StopIteration):
        planned(NAME, values() | {"sandbox.provider": "docker"})


def test_key_is_in_no_text() -> None:
    subject = planned(NAME, values("e2b_hunter2"))
    assert "hunter2" not in repr(subject) + subject.target


@pytest.mark.parametrize("path", [f"/templates/aliases/{ALIAS}", "/v2/sandboxes?limit=1"])
@pytest.mark.parametrize("key", [KEY, "e2b_other"])
@pytest.mark.parametrize(
    "app",
    [e2b(own=[ALIAS]), e2b(foreign=[ALIAS]), e2b(), e2b(busy=True), e2b(banned=True)],
    ids=["own", "foreign", "absent", "busy", "banned"],
)
def test_test_server_replies_as_documented(app: ASGIApp, key: str, path: str) -> None:
    with web_server(app) as web:
        status, body = _get(f"{web.url}{path}", key)
    schemas = next(schemas for start, schemas in REPLIES.items() if path.startswith(start))
    jsonschema.validate(body, schemas[status])


def _get(url: str, key: str) -> tuple[int, object]:
    try:
        with urlopen(Request(url, headers={"X-API-KEY": key})) as reply:
            return reply.status, json.load(reply)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


# For the attacks on all kinds

_SETTINGS = {"sandbox.provider": "e2b", IMAGE: "ghcr.io/mistlehq/sandbox-base:latest"}
_REPLIES = Replies(
    {"template": ("200 OK", {"templateID": "rki5dems9wqfm4r03t7g", "public": False})}, (("", "template"),)
)


def _refused(status: int) -> text_servers_http.Answer:
    return partial(text_servers_http.in_json, status, lambda text: {"code": status, "message": text})


DESCRIPTOR = Descriptor(
    rows=(
        of_provider(
            "e2b",
            Protocol(
                Layer.AUTH,
                reply=json_http("200 OK", public=True),
                refusal=json_http("401 No", code=401, message=TERMINAL),
            ),
            NAME,
            {**_SETTINGS, IMAGE: "mistle/sandbox-base:latest", API_KEY: "e2b_key", DOMAIN: "e2b.app"},
            DOMAIN,
            (Verdict("e2b.unexpected-reply"), Verdict("e2b.key-rejected", keys=(API_KEY,))),
        ),
    ),
    targets={
        "e2b": Target(
            name=NAME,
            key=DOMAIN,
            values=lambda _: {**_SETTINGS, API_KEY: "e2b-api-key", DOMAIN: "e2b.app"},
            transport="tls",
            replies=_REPLIES,
            floods=floods.SHARED_OVER_HTTP,
            flood_findings=frozenset({"e2b.unexpected-reply"}),
            texts={
                "a refusal": hostile_replies.in_json(
                    _REPLIES, "template", "401 No", lambda text: {"code": 401, "message": text}
                )
            },
            driver_error=DriverError(
                "e2b.api.client.models.TemplateAliasResponse.from_dict",
                "e2b.api.client.models.template_alias_response",
                http(_REPLIES, {}),
                "e2b.unexpected-reply",
                Layer.AUTH,
            ),
        )
    },
    families={
        "e2b": Family(
            checks=NAME,
            scenes={f"status {status}": _refused(status) for status in (401, 403, 429, 500)}
            | {"no words": partial(text_servers_http.in_headers, 400)},
            path="^/templates/|^/v2/",
            right=lambda _: text_servers_http.api(404, {"code": 404, "message": "template not found"}),
            provider_path="/",
        )
    },
    web_checks={"E2B": WebCheck("`e2b`", NAME, e2b)},
    web_settings={**_SETTINGS, API_KEY: KEY},
)
