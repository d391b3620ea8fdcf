"""OTLP collectors, with real servers that have each fault."""

import socket
from functools import partial
from pathlib import Path

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection

from checks.core.finding import Layer, Status
from preflight.demo.servers.otlp import collector
from tests.harness import faults, floods, hostile_replies, text_servers_http
from tests.harness.answers import Replies, http, reply
from tests.harness.descriptor import Descriptor, DriverError, Family, Target, WebCheck
from tests.harness.fault_rows import TERMINAL, Protocol, Verdict, at_url, json_http
from tests.harness.fault_rows import http as over_http
from tests.harness.run_check import CheckRun, planned, run_check
from tests.testbed import Authority
from tests.testbed.web import web_server

NAME, KEY = "telemetry.traces", "telemetry.traces.endpoint"
HINT = f"{KEY} (mistle.toml)"


def check(url: str, signal: str = "traces", **options: object) -> CheckRun:
    values = {"telemetry.enabled": True, f"telemetry.{signal}.endpoint": url}
    return run_check(f"telemetry.{signal}", values, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("signal", "body"),
    [
        ("traces", b'{"resourceSpans": []}'),
        ("logs", b'{"resourceLogs": []}'),
        ("metrics", b'{"resourceMetrics": []}'),
    ],
)
def test_empty_export_is_accepted(signal: str, body: bytes) -> None:
    with web_server(collector()) as web:
        result = check(f"{web.url}/v1/{signal}", signal)
        (request,) = web.requests
    result.passes("otlp.access", Layer.ACCESS, f"telemetry.{signal}.endpoint")
    assert (request.method, request.target, request.body) == ("POST", f"/v1/{signal}", body)


def test_over_tls(authority: Authority) -> None:
    with authority.trusted() as path, web_server(collector(), certificate=authority.leaf()) as web:
        assert check(f"{web.url}/v1/traces", extra=Path(path)).status is Status.OK
        check(f"{web.url}/v1/traces").warns("tls.untrusted", Layer.TLS, KEY, hint="NODE_EXTRA_CA_CERTS")


@pytest.mark.parametrize("path", ["", "/v1", "/traces"])
def test_path_not_found(path: str) -> None:
    with web_server(collector()) as web:
        result = check(web.url + path)
    assert "404" in result.warns("otlp.not-found", Layer.ACCESS, KEY, hint="/v1/traces").message


def test_path_of_another_signal() -> None:
    with web_server(collector()) as web:
        result = check(f"{web.url}/v1/logs")
    assert "of logs" in result.warns("otlp.not-found", Layer.ACCESS, KEY, hint="/v1/traces").message


def http_reply(status: str, body: str = "") -> bytes:
    kind = "Content-Type: application/json\r\n" if body else ""
    return f"HTTP/1.1 {status}\r\n{kind}Content-Length: {len(body)}\r\n\r\n{body}".encode()


@pytest.mark.parametrize("reply", [http_reply("204 No Content"), http_reply("202 Accepted", "{}")])
def test_other_success_statuses(reply: bytes) -> None:
    with faults.http_port(reply) as port:
        check(f"http://127.0.0.1:{port}/v1/traces").passes("otlp.access", Layer.ACCESS, KEY)


@pytest.mark.parametrize("status", ["400 Bad Request", "422 Unprocessable Entity"])
def test_empty_export_refused_proves_nothing(status: str) -> None:
    with faults.http_port(http_reply(status, '{"message": "empty"}')) as port:
        result = check(f"http://127.0.0.1:{port}/v1/traces")
    assert result.status is Status.SKIP, result
    assert result["otlp.access"].fields == (KEY,)


def test_query_is_in_no_text() -> None:
    assert planned(NAME, {"telemetry.enabled": True, KEY: "https://h/v1/traces?key=hunter2"}).target == (
        "https://h:443/v1/traces"
    )
    redirect = b"HTTP/1.1 302 Found\r\nLocation: http://h/x?key=hunter2\r\nContent-Length: 0\r\n\r\n"
    with faults.http_port(redirect) as port:
        assert "hunter2" not in str(check(f"http://127.0.0.1:{port}/v1/traces"))


def test_collector_that_requires_a_login() -> None:
    with web_server(collector(authorization="Bearer x")) as web:
        result = check(f"{web.url}/v1/traces")
    assert "401" in result.warns("otlp.refused", Layer.ACCESS, KEY, hint="login").message


def send_http2_settings(connection: socket.socket) -> None:
    """As a gRPC server does: sends its settings frame first, then reads."""
    h2 = H2Connection(H2Configuration(client_side=False))
    h2.initiate_connection()
    connection.sendall(h2.data_to_send())
    while connection.recv(4096).startswith(b"PRI"):
        pass


def test_grpc_port() -> None:
    with faults.serving(send_http2_settings) as port:
        result = check(f"http://127.0.0.1:{port}/v1/traces")
    result.warns("otlp.grpc-port", Layer.ACCESS, KEY, hint="4318")


REDIRECT = b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere.test/\r\nContent-Length: 0\r\n\r\n"
PAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 15\r\n\r\n<!doctype html>"
OTHER_JSON = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{"ok":true}'


@pytest.mark.parametrize("reply", [REDIRECT, PAGE, OTHER_JSON, b"SSH-2.0-OpenSSH_9.2\r\n\r\n"])
def test_not_otlp(reply: bytes) -> None:
    with faults.http_port(reply) as port:
        check(f"http://127.0.0.1:{port}/v1/traces").warns("otlp.not-otlp", Layer.ACCESS, KEY, hint="host and port")


def test_refused_connection_is_a_warning() -> None:
    with faults.refused_port() as port:
        result = check(f"http://127.0.0.1:{port}/v1/traces")
    result.warns("network.refused", Layer.CONNECT, KEY, hint=HINT)
    assert result["otlp.access"].message == "not reached"


def test_silent_collector_is_a_warning() -> None:
    with faults.silent_port() as port:
        result = check(f"http://127.0.0.1:{port}/v1/traces", timeout=1.0)
    result.warns("network.silent", Layer.ACCESS, KEY, hint="right service")


def test_http_to_a_tls_port(authority: Authority) -> None:
    with web_server(collector(), certificate=authority.leaf()) as web:
        result = check(f"http://127.0.0.1:{web.port}/v1/traces")
    result.warns("network.tls-on-plaintext", Layer.ACCESS, KEY, hint="scheme with TLS")


def test_https_to_a_plaintext_port() -> None:
    with web_server(collector()) as web:
        result = check(f"https://127.0.0.1:{web.port}/v1/traces")
    result.warns("network.plaintext-on-tls", Layer.TLS, KEY, hint="without TLS")


def test_not_planned_when_telemetry_is_off() -> None:
    with pytest.raises(StopIteration):
        planned(NAME, {"telemetry.enabled": False, KEY: "http://collector:4318/v1/traces"})


# For the attacks on all kinds

_ENABLED = {"telemetry.enabled": True}
_REPLIES = Replies({"export": ("200 OK", {"partialSuccess": {}})}, (("", "export"),))
_PROTOCOL = Protocol(
    Layer.ACCESS, reply=json_http("200 OK", partialSuccess={}), refusal=over_http("500 Error", TERMINAL)
)
DESCRIPTOR = Descriptor(
    rows=tuple(
        at_url(
            "otlp",
            _PROTOCOL,
            NAME,
            KEY,
            f"{scheme}://{{host}}:{{place}}/v1/traces",
            (Verdict("otlp.not-otlp"), Verdict("otlp.refused")),
            Status.WARN,
            **_ENABLED,
        )
        for scheme in ("http", "https")
    ),
    targets={
        "otlp": Target(
            name=NAME,
            key=KEY,
            values=lambda address: {KEY: f"http://{address}/v1/traces", **_ENABLED},
            replies=_REPLIES,
            floods=floods.SHARED_OVER_HTTP,
            flood_findings=frozenset({"otlp.not-otlp", "otlp.refused"}),
            texts={
                "a refusal": hostile_replies.served(
                    lambda text: reply("403 Forbidden", hostile_replies.raw(text), "Content-Type: text/plain")
                ),
                "a redirect": hostile_replies.served(hostile_replies.redirect),
            },
            driver_error=DriverError(
                "httpx.Response.aiter_raw", "httpx._models", http(_REPLIES, {}), "otlp.unexpected-reply", Layer.ACCESS
            ),
        )
    },
    families={
        "otlp": Family(
            checks="telemetry.",
            scenes={
                f"status {status}": partial(text_servers_http.in_body, status) for status in (200, 400, 401, 404, 500)
            }
            | {
                "redirects": text_servers_http.redirect,
                "json": partial(text_servers_http.in_json, 403, lambda text: {"message": text}),
            },
            settings={
                KEY: "http://{address}/v1/traces?key={query_secret}",
                "telemetry.logs.endpoint": "http://:{login_secret}@{address}/v1/logs",
                "telemetry.metrics.endpoint": "http://{address}/v1/metrics",
            },
            path="^/v1/",
            right=lambda _: text_servers_http.api(200, {"partialSuccess": {}}),
        )
    },
    web_checks={
        signal: WebCheck("`otlp`", f"telemetry.{signal}", collector, f"telemetry.{signal}.endpoint", f"/v1/{signal}")
        for signal in ("traces", "logs", "metrics")
    },
    web_settings=_ENABLED,
)
