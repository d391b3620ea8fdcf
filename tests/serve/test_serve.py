"""`mistle-preflight serve` as a process, asked by HTTP."""

import base64
import json
import os
import signal
import socket
import time
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from checks.core.finding import Status
from preflight.cli.main import main
from preflight.formats.shared.phrases import STYLES
from preflight.serve.client_token import VARIABLE
from preflight.serve.serving import PACKAGES
from tests.harness import faults, profiles
from tests.harness.command import SCHEMA, run
from tests.harness.serving import SECRET, Served, is_gone, on, own_valkey, served
from tests.harness.waiting import until

SKIPPED = STYLES[Status.SKIP].mark
PATHS = ("/", "/report.json", "/metrics")
ALWAYS = {
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


def samples(text: str) -> dict[str, float]:
    """The metrics without labels of their own, by name."""
    return {
        sample.name: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not {*sample.labels} - {"stage", "service"}
    }


def test_deployment_that_breaks_and_recovers(tmp_path: Path) -> None:
    with own_valkey() as valkey, served(*on(tmp_path, valkey.url)) as server:
        assert "exit code 0" in server.line()
        assert server.get("/readyz").status == 200
        SCHEMA.validate(json.loads(server.get("/report.json").body))
        assert samples(server.get("/metrics").body)["mistle_preflight_ready"] == 1

        valkey.stop()
        server.run_now()
        assert [line.split()[1:4] for line in server.lines_until("unproven")] == [
            ["✗", "NOT", "READY"],
            ["✗", "new", "network.refused"],
            [SKIPPED, "unproven", "kv.data_plane.key_prefix"],
        ]
        assert (server.get("/readyz").status, server.get("/healthz").status) == (503, 200)
        page, metrics = server.get("/"), samples(server.get("/metrics").body)
        assert "network.<wbr>refused" in page.body
        assert int(page.headers["refresh"]) > 0
        assert metrics["mistle_preflight_ready"] == 0
        assert metrics["mistle_preflight_serve_last_run_exit_code"] == 1
        assert 0 <= metrics["mistle_preflight_serve_last_run_age_seconds"] < 60
        assert metrics["mistle_preflight_serve_interval_seconds"] == 300

        valkey.start()
        server.run_now()
        assert "exit code 0, was 1" in server.lines_until("fixed")[0]
        assert server.get("/readyz").status == 200
        history = server.get("/").body.partition('id="history"')[2]
        words = ("exit code 0", "exit code 1", "fixed", "changed</span>")
        assert [history.count(word) for word in words] == [2, 1, 1, 0]
        expect_manners(server)


def expect_manners(server: Served) -> None:
    """Methods, paths, headers, and names of this machine."""
    for path in (*PATHS, "/healthz", "/readyz", "/nowhere"):
        answer, head = server.get(path), server.get(path, method="HEAD")
        assert answer.headers.items() >= ALWAYS.items()
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert (head.status, head.body) == (answer.status, "")
        assert "server" not in answer.headers
    assert server.get("/nowhere").status == 404
    assert server.get("/metrics/").status == 404
    assert [server.get("/", method=method).status for method in ("POST", "PUT", "DELETE", "OPTIONS")] == [405] * 4
    assert [server.get("/", {"Host": host}).status for host in ("localhost", "[::1]:9470", "127.0.0.1:1")] == [200] * 3
    for path in PATHS:
        assert server.get(path, {"Host": f"rebound.example:{server.port}"}).status == 421
    assert server.get("/healthz", {"Host": "10.0.0.7"}).status == 200


def test_run_that_is_killed_and_end_during_a_run(tmp_path: Path) -> None:
    with faults.silent_port() as port, served(*on(tmp_path, f"redis://127.0.0.1:{port}")) as server:
        assert "The first run has not ended yet" in server.get("/").body
        assert [server.get(path).status for path in ("/readyz", "/report.json", "/healthz")] == [503, 503, 200]
        assert "mistle_preflight_ready" not in server.get("/metrics").body

        os.kill(server.run, signal.SIGKILL)
        assert "exit code" in server.line()
        assert "run.no-memory" in server.line()
        assert (server.get("/readyz").status, server.get("/healthz").status) == (503, 200)
        assert "was killed" in server.get("/").body
        assert samples(server.get("/metrics").body)["mistle_preflight_ready"] == 0
        SCHEMA.validate(json.loads(server.get("/report.json").body))

        server.run_now()
        going_on = server.run
        waiting = socket.create_connection((server.host, server.port))
        waiting.sendall(b"GET / HTTP/1.1\r\nHost: loc")
        started = time.monotonic()
        server.command.signal(signal.SIGTERM)
        ended = server.command.end()
        assert (ended.code, ended.stderr) == (0, b"")
        assert (ended.ended - started) / ended.slowness < 1.0
        assert is_gone(going_on)
        waiting.close()


def test_token(tmp_path: Path) -> None:
    """It is needed for all that has details, in either way that clients show it, and is in no output."""
    file = tmp_path / "token"
    file.write_text(f"{SECRET}\n")
    flags = (*on(tmp_path, "redis://127.0.0.1:1"), "--token-file", str(file), "-f", f"text={tmp_path / 'text'}")
    with served(*flags, env={VARIABLE: "another-one-that-does-not-count", "WEB_CONCURRENCY": "x"}) as server:
        server.lines_until("new")
        basic = base64.b64encode(f"me:{SECRET}".encode()).decode()
        wrong = base64.b64encode(f"{SECRET}:me".encode()).decode()
        bodies = [
            server.get(path, {"Authorization": value, "Host": "preflight.example"}).body
            for path in PATHS
            for value in (f"Bearer {SECRET}", f"bearer  {SECRET} ", f"Basic {basic}")
        ]
        assert all(len(body) > 100 for body in bodies)
        for value in ("", f"Bearer {SECRET}x", "Bearer", f"Basic {wrong}", "Basic =", "Bearer \xff", f"Token {SECRET}"):
            for path in (*PATHS, "/nowhere", f"/?token={SECRET}"):
                answer = server.get(path, {"Authorization": value})
                assert (answer.status, answer.body) == (401, "a token is needed\n")
                assert "Basic" in answer.headers["www-authenticate"]
        assert server.get("/healthz").status == 200
        assert SECRET.encode() not in Path(f"/proc/{server.command.process.pid}/cmdline").read_bytes()
        server.command.signal(signal.SIGINT)
        ended = server.command.end()
    text = "".join((*bodies, *server.printed, ended.stdout.decode(), ended.stderr.decode()))
    assert SECRET not in text + (tmp_path / "text").read_text()
    assert ended.code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--listen", "0.0.0.0:0"), "0.0.0.0 is not loopback: give --token-file FILE or MISTLE_PREFLIGHT_TOKEN"),
        (("--listen", "[::]:0"), "[::] is not loopback"),
        (("--listen", "10.0.0.1:9470"), "10.0.0.1 is not loopback"),
        (("--listen", "example.com:80"), "is not an address and a port, as in 127.0.0.1:9470"),
        (("--listen", "9470"), "is not an address and a port"),
        (("--listen", "127.0.0.1:99999"), "has no port from 0 to 65535"),
        (("--token-file", "/no/such/file"), "--token-file: /no/such/file cannot be read: no such file or directory"),
        (("--token-file", "{short}"), "a token has at least 16 characters of ASCII, without white space"),
        (("--every", "29"), "argument --every: 29 s is too short; it is at least 30 s"),
        (("--every", "30", "--wait", "1"), "--every: a run may take longer than 2 intervals"),
        (("--write", "--read-only"), "--write and --read-only exclude each other"),
        (("-f", "json"), "--format: serve prints no report; give it a file"),
        (("--config", "-"), "can be read only once: name a file"),
        (("--", "true"), "-- PROGRAM: serve starts no program"),
        (("--exit-on-change",), "--exit-on-change is a flag of the command watch"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_misuse(arguments: tuple[str, ...], message: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    short = tmp_path / "token"
    short.write_text("too-short")
    assert main(["serve", *(each.format(short=short) for each in arguments)]) == 2
    assert message in capfd.readouterr().err


def test_port_that_is_taken(capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        assert main(["serve", "--listen", f"127.0.0.1:{other.getsockname()[1]}"]) == 2
    assert "Address already in use" in capfd.readouterr().err


def test_missing_extra_is_named_in_one_line() -> None:
    ended = run("serve", code=f"import sys; sys.modules.update(dict.fromkeys({PACKAGES!r}))")
    assert ended.code == 2
    (line,) = ended.stderr.decode().splitlines()
    assert line.endswith("serve needs more packages (starlette, uvicorn): pip install 'mistle-preflight[serve]'")


@profiles.long
def test_slow_and_silent_clients(tmp_path: Path) -> None:
    """None of them keeps its connection, and none keeps another client from its answer."""
    with served(*on(tmp_path, "redis://127.0.0.1:1")) as server:
        server.lines_until("new")
        slow = [socket.create_connection((server.host, server.port), timeout=60) for _ in range(300)]
        for number, connection in enumerate(slow):
            if number % 2:
                connection.sendall(b"GET / HTTP/1.1\r\nHost: loc")
        until(lambda: answers(server))
        for connection in slow:
            assert rest(connection) == b""
        endless = socket.create_connection((server.host, server.port))
        endless.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 4000)
        assert b" 200 " not in rest(endless)
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        deaf.connect((server.host, server.port))
        deaf.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        inside = until(lambda: connections(server))
        until(lambda: not connections(server))
        assert inside
        deaf.close()


def answers(server: Served) -> bool:
    try:
        return server.get("/healthz").status == 200
    except OSError:
        return False


def connections(server: Served) -> int:
    """How many sockets the server has beside the one that listens."""
    folder = Path(f"/proc/{server.command.process.pid}/fd")
    return sum(str(each.readlink()).startswith("socket:") for each in folder.iterdir() if each.is_symlink()) - 3


def rest(connection: socket.socket) -> bytes:
    """What comes until the server ends the connection."""
    received = b""
    try:
        while chunk := connection.recv(65536):
            received += chunk
    except ConnectionError:
        return b""
    finally:
        connection.close()
    return received


@profiles.long
def test_run_that_hangs_is_ended(tmp_path: Path) -> None:
    """A run that was stopped cannot keep its own limits. The next one can."""
    with faults.silent_port() as port:
        flags = (*on(tmp_path, f"redis://127.0.0.1:{port}"), "--deadline=3")
        with served(*flags) as server:
            os.kill(server.run, signal.SIGSTOP)
            assert "exit code 3" in server.line()
            assert "did not end; it was killed after" in server.line()
            server.run_now()
            assert "exit code 1, was 3" in server.line()
