"""Quoted errors: "the server reports" stands before a server's text only; a library's errors name the library."""

import re
import socket
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from checks.core.finding import Status
from checks.postgres.refusals import libpq_text
from tests.harness import faults, floods
from tests.harness.floods import ADMITTED, message
from tests.harness.run_check import CheckRun, run_check
from tests.servers.smtp import smtp_script
from tests.testbed import Authority

DIRECT = "postgres.control_plane.direct"
SCRAM = b"SCRAM-SHA-256\0\0"


def failure(found: CheckRun) -> tuple[str, str]:
    """The id and message of the one finding that failed."""
    (failed,) = (finding for finding in found.findings if finding.status is Status.FAIL)
    return failed.id, failed.message


def postgres(script: Callable[[socket.socket], object], query: str = "") -> tuple[str, str]:
    with faults.serving(script) as port:
        url = f"postgres://u:p@127.0.0.1:{port}/d{query}"
        return failure(run_check(DIRECT, {f"{DIRECT}_url": url}, stage="before-deploy"))


def at_login(reply: bytes) -> Callable[[socket.socket], object]:
    return floods.Flood(floods.at_login(lambda: iter([reply])))


def at_query(reply: bytes) -> Callable[[socket.socket], object]:
    return floods.Flood(floods.at_query(lambda: iter([reply])))


def error(text: bytes, more: bytes = b"") -> bytes:
    return message(b"E", b"SFATAL\0VFATAL\0C57000\0M" + text + b"\0" + more + b"\0")


@pytest.mark.parametrize(
    ("reply", "quote"),
    [
        (error(b"go away"), "the server reports: FATAL: go away"),
        (error(b"connection failed: go away"), "the server reports: FATAL: connection failed: go away"),
        (error(b"no", b"Dbecause\0Htry\0"), "the server reports: FATAL: no DETAIL: because HINT: try"),
        (error(b"zu wenig \xfcbrig"), "the server reports: FATAL: zu wenig übrig"),
        (message(b"E", b"\xff\0M\xff\0\0"), "the server reports: ÿ"),
        (error(b"out of memory"), "the server reports: FATAL: out of memory"),
        (
            b"Ecould not fork new process: Cannot allocate memory\n\0",
            "the server reports: could not fork new process: Cann",
        ),
    ],
    ids=["short", "like libpq's", "long", "Latin-1", "no text", "out of memory", "before 7.4"],
)
def test_error_of_postgres_at_login_is_quoted(reply: bytes, quote: str) -> None:
    finding_id, text = postgres(at_login(reply))
    assert finding_id == "postgres.login-refused"
    assert text.startswith(quote)


@pytest.mark.parametrize("text", [b"go away", b"server closed the connection unexpectedly", b"\xff\xfe"])
def test_error_of_postgres_at_a_query_is_quoted(text: bytes) -> None:
    finding = postgres(at_query(error(text)))
    assert finding == ("postgres.query-failed", f"the server reports: FATAL: {text.decode('latin-1')}")


def sasl(challenge: bytes) -> Callable[[socket.socket], object]:
    def script(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(message(b"R", struct.pack("!I", 10) + SCRAM))
        connection.recv(4096)
        connection.sendall(message(b"R", struct.pack("!I", 11) + challenge))
        connection.recv(4096)

    return script


@pytest.mark.parametrize(
    "script",
    [
        sasl(b"r=x"),
        sasl(b"nonsense"),
        sasl(b"r=x,s=!,i=1"),
        at_login(message(b"R", struct.pack("!I", 10) + b"SCRAM-OTHER\0\0")),
        at_login(message(b"R", struct.pack("!I", 7))),
        at_login(message(b"R", struct.pack("!I", 99))),
        at_login(message(b"R", b"")),
        at_login(message(b"Z", b"I")),
        at_login(b"HTTP/1.1 200 OK\r\n\r\n"),
        at_login(message(b"v", b"\0\3\0\0\0\0\0\0")),
        at_query(message(b"D", b"\0\1")),
        at_query(message(b"T", b"\0")),
        at_query(message(b"?", b"")),
        at_query(floods.DESCRIBED + message(b"D", b"\0\2\0\0\0\0\0\0\0\0")),
    ],
    ids=[
        "a short challenge",
        "an invalid challenge",
        "a challenge without salt",
        "an unknown mechanism",
        "Kerberos",
        "an unknown way to log in",
        "an empty request",
        "ready too early",
        "HTTP",
        "another version",
        "a row without columns",
        "incomplete columns",
        "an unknown message",
        "a row of another size",
    ],
)
def test_error_of_libpq_is_not_quoted_as_the_servers(script: Callable[[socket.socket], object]) -> None:
    _, text = postgres(script)
    assert "server reports" not in text
    assert "mistle-preflight" not in text
    assert "@" not in text
    assert "libpq reports" in text or "closed by the server" in text or "reply" in text


@pytest.mark.parametrize("kind", [b"N", b"v"])
@pytest.mark.parametrize("length", [2**31 - 1, 2**30, 2**21])
def test_announced_message_length_is_not_out_of_memory(kind: bytes, length: int) -> None:
    finding_id, text = postgres(at_login(kind + struct.pack("!I", length) + b"x"))
    assert finding_id == "postgres.not-postgres"
    assert f"{length - 4} bytes" in text
    finding_id, _ = postgres(at_query(kind + struct.pack("!I", length) + b"x"))
    assert finding_id == "postgres.not-postgres"


def test_libpq_out_of_memory_is_a_memory_error() -> None:
    for text in ("out of memory", "cannot allocate memory for input buffer", "out of memory for query result"):
        with pytest.raises(MemoryError):
            libpq_text(f'connection to server at "127.0.0.1", port 40000 failed: {text}')


def test_address_of_the_proxy_is_never_shown() -> None:
    proxy = '"127.0.0.1", port 40000'
    assert libpq_text(f"connection to server at {proxy} failed: a failed: b") == "a failed: b"
    assert libpq_text(f"{proxy} sent nothing") == "the server sent nothing"


# TLS connections with an invalid record

INVALID_RECORD = b"\x17\x03\x03\0\x20" + bytes(32)


def broken_tls(authority: Authority, reply: bytes, consent: bytes = b"") -> Callable[[socket.socket], object]:
    """Sends an invalid TLS record after `reply` to the first request. `consent` is the reply to a request for TLS."""
    context = authority.leaf().context()

    def script(connection: socket.socket) -> None:
        if consent:
            connection.recv(8)
            connection.sendall(consent)
        with connection.dup() as raw, context.wrap_socket(connection, server_side=True) as secured:
            secured.recv(4096)
            secured.sendall(reply)
            raw.sendall(INVALID_RECORD)
            raw.recv(4096)

    return script


@pytest.mark.parametrize("reply", [b"", ADMITTED], ids=["at the login", "at a query"])
def test_invalid_tls_record_of_postgres_is_not_closed_by_the_server(authority: Authority, reply: bytes) -> None:
    _, text = postgres(broken_tls(authority, reply, b"S"), "?sslmode=require")
    assert "closed by the server" not in text
    assert "TLS" in text


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("kv.data_plane", {"kv.data_plane.url": "rediss://localhost:{}", "kv.data_plane.key_prefix": "mistle"}),
        (
            "telemetry.traces",
            {"telemetry.enabled": True, "telemetry.traces.endpoint": "https://localhost:{}/v1/traces"},
        ),
    ],
)
def test_invalid_tls_record_is_not_closed_by_the_server(
    authority: Authority, name: str, values: dict[str, object]
) -> None:
    with authority.trusted() as path, faults.serving(broken_tls(authority, b"")) as port:
        formatted = {key: value.format(port) if isinstance(value, str) else value for key, value in values.items()}
        found = run_check(name, formatted, extra=Path(path))
    messages = " ".join(finding.message for finding in found.findings if finding.status >= Status.WARN)
    assert "closed by the server" not in messages
    assert "TLS failed: " in messages


# Mail


def mail(port: int) -> CheckRun:
    values = {
        "global.env": "development",
        "email.smtp.host": "127.0.0.1",
        "email.smtp.port": port,
        "email.smtp.secure": False,
        "email.smtp.username": "mistle",
        "email.smtp.password": "hunter2",
        "email.smtp.from_address": "mistle@mistle.test",
    }
    return run_check("email.smtp", values)


@pytest.mark.parametrize(
    "challenge", ["PDE+", "!", "a", "PDE+PDE", "", "ü"], ids=["good", "none", "1", "cut", "0", "ü"]
)
def test_invalid_base64_challenge_gets_the_reply_that_nodemailer_sends(challenge: str) -> None:
    replies = {"EHLO": "250-mail.test\n250 AUTH CRAM-MD5", "AUTH": f"334 {challenge}", "": "535 5.7.8 no"}
    with smtp_script(replies) as server:
        found = mail(server.port)
    assert failure(found) == ("smtp.credentials-rejected", "the server reports: 535 5.7.8 no")


def test_invalid_smtp_reply_is_not_quoted() -> None:
    with smtp_script({"EHLO": "250-mail.test\n250 STARTTLS", "STARTTLS": "who are you"}) as server:
        finding_id, text = failure(mail(server.port))
    assert finding_id == "smtp.not-smtp"
    assert not re.search("server reports|-1", text)


# Valkey


def valkey(*replies: bytes) -> tuple[str, str]:
    def script(connection: socket.socket) -> None:
        for each in replies:
            connection.recv(65536)
            connection.sendall(each)
        connection.recv(65536)

    with faults.serving(script) as port:
        values = {"kv.data_plane.url": f"redis://u:p@127.0.0.1:{port}/3", "kv.data_plane.key_prefix": "mistle"}
        return failure(run_check("kv.data_plane", values))


@pytest.mark.parametrize(
    ("replies", "finding_id", "quote"),
    [
        ((b"+NO\r\n",), "valkey.not-valkey", "redis-py reports: Invalid Username or Password"),
        ((b"+OK\r\n", b"+NO\r\n"), "valkey.not-valkey", "redis-py reports: Invalid Database"),
        ((b"-ERR problem with LDAP service\r\n",), "valkey.command-failed", "the server reports: problem with LDAP"),
        ((b"-ERR odd\r\n",), "valkey.command-failed", "the server reports: odd"),
        ((b"-WRONGPASS no\r\n",), "valkey.password-rejected", "the server reports: no"),
    ],
    ids=["another answer to AUTH", "another answer to SELECT", "a code of its own", "no code", "a code"],
)
def test_error_of_redis_py_is_not_quoted_as_the_servers(
    replies: tuple[bytes, ...], finding_id: str, quote: str
) -> None:
    found = valkey(*replies)
    assert found[0] == finding_id
    assert quote in found[1]
