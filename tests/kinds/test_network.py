"""The layers dns and connect, with real faults and a real check."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from checks.core.finding import CheckTimeout, Layer
from checks.core.loop.threads import Loop, in_thread
from checks.net.addresses import ConnectFailed
from checks.net.network_errors import diagnose
from tests.harness import faults
from tests.harness.run_check import CheckRun, run_check
from tests.testbed import Valkey

URL, PREFIX = "kv.data_plane.url", "kv.data_plane.key_prefix"


def check(port: int, host: str = "127.0.0.1", scheme: str = "redis", timeout: float = 2.0) -> CheckRun:
    return run_check("kv.data_plane", {URL: f"{scheme}://{host}:{port}", PREFIX: "mistle"}, timeout=timeout)


def test_name_not_found() -> None:
    found = check(6379, "nowhere.invalid")
    found.fails("network.name-not-found", Layer.DNS, URL, hint=f"correct the host name in {URL} (mistle.toml)")
    assert [finding.message for finding in found.findings[1:]] == ["not reached"] * 4


@pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".example"])
def test_name_that_cannot_be_looked_up(host: str) -> None:
    check(6379, host).fails("network.name-not-found", Layer.DNS, URL, hint="host name")


def test_refused() -> None:
    with faults.refused_port() as port:
        finding = check(port).fails("network.refused", Layer.CONNECT, URL, hint="start the service")
    assert finding.message == f"connection refused by 127.0.0.1:{port}"


def test_packets_are_dropped() -> None:
    with faults.black_hole() as port:
        started = time.perf_counter()
        found = check(port)
        assert time.perf_counter() - started < 15
    assert f"127.0.0.1:{port}" in found.fails("network.timeout", Layer.CONNECT, URL, hint="firewall").message


def test_no_route() -> None:
    # An address that Linux refuses to send to: the reserved block 240.0.0.0/4 has no route on loopback-only machines,
    # and 255.255.255.255 is broadcast everywhere.
    check(6379, "255.255.255.255").fails("network.unreachable", Layer.CONNECT, URL, hint="connect this machine")


@pytest.mark.parametrize("fault", [faults.resetting_port, faults.closing_port])
def test_reset(fault: Callable[[], AbstractContextManager[int]]) -> None:
    with fault() as port:
        found = check(port)
    # A reset may arrive before the connect ends, and then fails that layer.
    layer = found["network.reset"].layer
    assert layer in {Layer.CONNECT, Layer.AUTH}
    found.fails("network.reset", layer, URL, hint="server's own log")


def test_reset_in_the_tls_handshake() -> None:
    with faults.closing_port() as port:
        check(port, scheme="rediss").fails("network.reset", Layer.TLS, URL, hint="server's own log")


@pytest.mark.parametrize(("scheme", "layer"), [("redis", Layer.AUTH), ("rediss", Layer.TLS)])
def test_silent(scheme: str, layer: Layer) -> None:
    with faults.silent_port() as port:
        check(port, scheme=scheme).fails("network.silent", layer, URL, hint="right service")


def test_one_of_two_addresses_is_dead(resolve_to: Callable[..., None], valkey: Valkey) -> None:
    resolve_to("::1", "127.0.0.1")  # Docker publishes on IPv4 loopback only
    finding = check(valkey.port, "both.test").warns(
        "network.address-unreachable", Layer.CONNECT, URL, hint="remove the dead address"
    )
    assert "[::1]" in finding.message
    assert "127.0.0.1 works" in finding.message


def test_dead_address_does_not_delay_a_working_one(resolve_to: Callable[..., None]) -> None:
    resolve_to("127.0.0.2", "127.0.0.1")
    with faults.http_port(b"-NOAUTH no\r\n") as port, faults.black_hole("127.0.0.2", port):
        found = check(port, "both.test", timeout=20.0)
    dead = found["network.address-unreachable"]
    assert "127.0.0.2" in dead.message
    assert dead.seconds < 15
    assert found["valkey.password-required"].layer is Layer.AUTH


def test_name_server_does_not_reply(stuck_lookups: None) -> None:
    started = time.perf_counter()
    found = check(6379, "stuck.test", timeout=1.0)
    assert time.perf_counter() - started < 15
    found.fails("network.dns-timeout", Layer.DNS, URL, hint="/etc/resolv.conf")


@pytest.fixture
def stuck_lookups(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The system's resolver blocks, as if the name server is down."""
    released = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_options: released.wait(30))
    yield
    released.set()


def test_stuck_lookups_do_not_delay_other_threads(stuck_lookups: None) -> None:
    async def look_up() -> float:
        loop = asyncio.get_running_loop()
        stuck = [asyncio.ensure_future(loop.getaddrinfo(f"stuck{n}.test", 1)) for n in range(20)]
        started = time.perf_counter()
        assert await in_thread(lambda: 1) == 1
        for task in stuck:
            task.cancel()
        return time.perf_counter() - started

    with asyncio.Runner(loop_factory=Loop) as runner:
        assert runner.run(look_up()) < 1.0


def test_error_in_a_thread_is_raised_by_the_await() -> None:
    async def fail() -> None:
        await in_thread(lambda: 1 // 0)

    with asyncio.Runner(loop_factory=Loop) as runner, pytest.raises(ZeroDivisionError):
        runner.run(fail())


def wrapped(error: Exception) -> Exception:
    outer = RuntimeError("an error of a driver")
    outer.__cause__ = error
    return outer


@pytest.mark.parametrize(
    ("error", "finding_id"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "network.name-not-found"),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure"), "network.dns-timeout"),
        (ConnectionRefusedError(), "network.refused"),
        (ConnectionResetError(), "network.reset"),
        (EOFError(), "network.reset"),
        (OSError(113, "No route to host"), "network.unreachable"),
        (TimeoutError(), "network.silent"),
        (CheckTimeout(Layer.DNS, 1), "network.dns-timeout"),
        (CheckTimeout(Layer.CONNECT, 1), "network.timeout"),
        (CheckTimeout(Layer.ACCESS, 1), "network.silent"),
    ],
)
def test_error_is_diagnosed_when_a_driver_wraps_it(error: Exception, finding_id: str) -> None:
    for each in (error, wrapped(error), wrapped(wrapped(error))):
        diagnosis = diagnose(each)
        assert diagnosis is not None
        assert diagnosis.cause.id == finding_id


def test_unknown_error_has_no_diagnosis() -> None:
    assert diagnose(ValueError("a bug")) is None


def test_ipv6_address_is_shown_in_brackets() -> None:
    assert ConnectFailed("::1", 5432).address == "[::1]:5432"
