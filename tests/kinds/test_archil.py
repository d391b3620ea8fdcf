"""Archil's control plane, each fault for real."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response

from checks.archil.regions import REGIONS
from checks.core.finding import Layer, Status
from checks.net.endpoint import Endpoint
from preflight.config.loader import load
from preflight.plan.plan import plan
from tests.harness import configs, faults, floods, hostile_replies, profiles, text_servers_http
from tests.harness.answers import Replies, http
from tests.harness.descriptor import Descriptor, DriverError, Family, Target, WebCheck
from tests.harness.fault_rows import TERMINAL, Protocol, Verdict, json_http, of_provider
from tests.harness.provider_override import Provider, endless, garbage, https, hung, run_check_at
from tests.harness.run_check import planned, run_check
from tests.servers.archil import KEY, archil
from tests.testbed import Authority, self_signed
from tests.testbed.web import Web, web_server

NAME = "sandbox.storage.archil"
API_KEY, REGION = f"{NAME}.api_key", f"{NAME}.region"


def values(key: str = KEY, region: str = "aws-us-east-1") -> dict[str, object]:
    return {"sandbox.storage.backend": "archil", API_KEY: key, REGION: region}


PROVIDER = Provider(NAME, values)
check, answered = PROVIDER.check, PROVIDER.answered


@pytest.fixture(scope="module")
def server(authority: Authority) -> Iterator[Web]:
    with web_server(archil(), authority.leaf()) as web:
        yield web


@profiles.quick
@pytest.mark.parametrize("key", [KEY, KEY.removeprefix("key-")])
def test_every_layer_passes(server: Web, trusted: Path, key: str) -> None:
    server.requests.clear()
    result = check(server.port, trusted, key, read_only=True)
    result.passes("archil.auth", Layer.AUTH, API_KEY, REGION)
    assert [finding.layer for finding in result.findings] == ["config", "dns", "connect", "tls", "auth"]
    (request,) = server.requests
    assert (request.method, request.target) == ("GET", "/api/disks?limit=1")
    assert request.headers["authorization"] == KEY


def test_key_rejected(server: Web, trusted: Path) -> None:
    finding = check(server.port, trusted, "key-wrong").warns(
        "archil.key-rejected", Layer.AUTH, API_KEY, hint=f"correct {API_KEY} (mistle.toml)"
    )
    assert finding.message == "Archil reports: Unauthorized"


@pytest.mark.parametrize("key", ["key-ключ", "key-a\nb"])
def test_key_not_valid_in_a_header(server: Web, trusted: Path, key: str) -> None:
    finding = check(server.port, trusted, key).warns("archil.key-rejected", Layer.AUTH, API_KEY, hint="console.archil")
    assert key not in finding.message


def test_unknown_region() -> None:
    result = run_check(NAME, values(region="us-east-1"))
    hint = "use one of aws-us-east-1, aws-us-west-2"
    finding = result.warns("archil.unknown-region", Layer.CONFIG, REGION, hint=hint)
    assert "us-east-1 is none of" in finding.message
    assert result["archil.auth"].message == "not reached"


@pytest.mark.parametrize(
    "response",
    [
        PlainTextResponse("<!doctype html><p>Welcome", media_type="text/html"),
        JSONResponse([]),
        JSONResponse({"success": True}),
        JSONResponse({"success": False, "error": "database is down"}),
        JSONResponse({"success": False, "error": "internal"}, 500),
        RedirectResponse("https://console.archil.com/"),
        PlainTextResponse("Bad Gateway", 502),
        PlainTextResponse("[" * 100_000),
    ],
)
def test_unexpected_reply(response: Response, authority: Authority, trusted: Path) -> None:
    result = answered(response, authority, trusted)
    result.warns("archil.unexpected-reply", Layer.AUTH, REGION, hint="no proxy answers in Archil's place")


def test_rate_limit_proves_nothing(authority: Authority, trusted: Path) -> None:
    result = answered(JSONResponse({"success": False, "error": "slow down"}, 429), authority, trusted)
    finding = result.warns("archil.unexpected-reply", Layer.AUTH, REGION, hint="wait for Archil")
    assert "slow down" in finding.message


def test_network_faults_blame_region(trusted: Path) -> None:
    hint = f", the control plane of {REGION} (mistle.toml), for persistent sandboxes"
    with faults.refused_port() as port:
        check(port, trusted).warns("network.refused", Layer.CONNECT, REGION, hint=hint)
    with faults.black_hole() as port:
        check(port, trusted, timeout=1.0).warns("network.timeout", Layer.CONNECT, REGION, hint=hint)
    with faults.silent_port() as port:
        check(port, trusted, timeout=1.0).warns("network.silent", Layer.TLS, REGION, hint=hint)
    with faults.http_port() as port:
        check(port, trusted).warns("network.plaintext-on-tls", Layer.TLS, REGION, hint="TLS")
    unresolvable = Endpoint("https", "control.invalid", 443)
    run_check_at(unresolvable, NAME, values()).warns("network.name-not-found", Layer.DNS, REGION, hint=hint)


def test_untrusted_certificates(server: Web, trusted: Path) -> None:
    run_check_at(https(server.port), NAME, values()).warns(
        "tls.untrusted", Layer.TLS, REGION, hint="NODE_EXTRA_CA_CERTS"
    )
    with web_server(archil(), self_signed()) as web:
        check(web.port, trusted).warns("tls.self-signed", Layer.TLS, REGION, hint="NODE_EXTRA_CA_CERTS")


def test_no_reply_and_malformed_replies(authority: Authority, trusted: Path) -> None:
    leaf = authority.leaf()
    with hung(leaf) as port:
        check(port, trusted, timeout=3.0).warns("network.silent", Layer.AUTH, REGION, hint="reach")
    with faults.tls_port(leaf.context()) as port:
        check(port, trusted).warns("network.reset", Layer.AUTH, REGION, hint="reach")
    with garbage(leaf) as port:
        check(port, trusted).warns("archil.unexpected-reply", Layer.AUTH, REGION, hint="proxy")
    with endless(leaf) as port:
        check(port, trusted).warns("archil.unexpected-reply", Layer.AUTH, REGION, hint="proxy")


@pytest.mark.parametrize("region", REGIONS)
def test_region_endpoints(region: str) -> None:
    subject = planned(NAME, values(region=region))
    cloud, _, place = region.partition("-")
    colour = {"aws": "green", "gcp": "blue"}[cloud]
    assert subject.target == f"control.{colour}.{place}.{cloud}.prod.archil.com:443 ({region})"


def test_key_is_in_no_text() -> None:
    subject = planned(NAME, values("key-hunter2"))
    assert "hunter2" not in repr(subject) + subject.target


def test_not_planned_for_another_backend() -> None:
    with pytest.raises(StopIteration):
        planned(NAME, values() | {"sandbox.storage.backend": "docker_volume"})


def test_healthy_server_proves_every_key(server: Web, trusted: Path) -> None:
    result = check(server.port, trusted)
    assert result.status is Status.OK, result
    assert {key for finding in result.findings for key in finding.fields} == {API_KEY, REGION}


def test_planned_for_data_plane_worker_only(tmp_path: Path) -> None:
    config = load(configs.write(tmp_path, configs.E2B), {})
    assert NAME in [subject.name for subject in plan(config, service="data_plane_worker").checks]
    assert NAME not in [subject.name for subject in plan(config, service="data_plane_api").checks]


# For the attacks on all kinds

_VALUES = values("archil-api-key")
_REPLIES = Replies({"disks": ("200 OK", {"success": True, "data": []})}, (("", "disks"),))


def _refusal(text: str) -> object:
    return {"success": False, "error": text}


DESCRIPTOR = Descriptor(
    rows=(
        of_provider(
            "archil",
            Protocol(
                Layer.AUTH,
                reply=json_http("200 OK", success=True, data=[]),
                refusal=json_http("401 No", success=False, error=TERMINAL),
            ),
            NAME,
            values("key-archil"),
            REGION,
            (Verdict("archil.unexpected-reply"), Verdict("archil.key-rejected", keys=(API_KEY,))),
            Status.WARN,
        ),
    ),
    targets={
        "archil": Target(
            name=NAME,
            key=REGION,
            values=lambda _: _VALUES,
            transport="tls",
            replies=_REPLIES,
            floods=floods.SHARED_OVER_HTTP,
            flood_findings=frozenset({"archil.unexpected-reply"}),
            texts={
                "a refusal": hostile_replies.in_json(_REPLIES, "disks", "401 No", _refusal),
                "the content's type": hostile_replies.served(hostile_replies.content_type),
            },
            driver_error=DriverError(
                "httpx.Response.aiter_raw", "httpx._models", http(_REPLIES, {}), "archil.unexpected-reply", Layer.AUTH
            ),
        )
    },
    families={
        "archil": Family(
            checks=NAME,
            scenes={
                f"status {status}": partial(text_servers_http.in_json, status, _refusal) for status in (401, 429, 500)
            }
            | {"no json": partial(text_servers_http.in_headers, 403)},
            path="^/api/disks",
            right=lambda _: text_servers_http.api(200, {"success": True, "data": []}),
            provider_path="/",
        )
    },
    web_checks={"Archil": WebCheck("`archil`", NAME, archil)},
    web_settings=values(),
)
