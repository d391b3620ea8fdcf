"""The times of a report are those of the network and the servers; a limit measures the other side alone."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import pytest

from checks.core.check import Check
from checks.core.finding import CheckTimeout, Diagnosis, Layer, Status
from checks.core.loop.clock import MAX_WAIT, Selector
from checks.core.loop.sockets import round_trip
from checks.core.loop.waits import Waits
from checks.core.recorder import Recorder, Settings
from checks.core.roots import Trust
from checks.net import network_errors
from checks.net.tcp import connect_any
from preflight.report.result import Result
from preflight.run.runner import run

DELAY, BLOCKED = 0.1, 1.5
HOST = "127.0.0.1"


@dataclass
class Server:
    """Replies to each request after DELAY, or never."""

    port: int
    replies: bool = True
    sent: threading.Event = field(default_factory=threading.Event)

    def serve(self, connection: socket.socket) -> None:
        with connection:
            while connection.recv(100):
                time.sleep(DELAY)
                if self.replies:
                    connection.sendall(b"reply")
                    self.sent.set()


@pytest.fixture
def server() -> Iterator[Server]:
    with socket.create_server((HOST, 0)) as listener:
        server = Server(listener.getsockname()[1])

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=server.serve, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield server
        listener.shutdown(socket.SHUT_RDWR)


@dataclass(frozen=True, kw_only=True)
class Asks(Check):
    """Connects, and makes two round trips."""

    kind = "asks"
    layers: ClassVar[tuple[Layer, ...]] = (Layer.CONNECT, Layer.AUTH, Layer.ACCESS)  # type: ignore[misc]
    target: ClassVar[str] = "server"  # type: ignore[misc]
    port: int

    async def run(self, record: Recorder) -> None:
        await connect_any(record, HOST, (HOST,), self.port, ("port",))
        reader, writer = await asyncio.open_connection(HOST, self.port)
        try:
            for layer in (Layer.AUTH, Layer.ACCESS):
                with record.layer(layer, "it replies", proves=("port",)):
                    writer.write(b"request")
                    await reader.readexactly(5)
        finally:
            writer.transport.abort()
            await asyncio.sleep(0)

    def diagnose(self, error: Exception) -> Diagnosis | None:
        return network_errors.SILENT.diagnosis(str(error)) if isinstance(error, CheckTimeout) else None


@dataclass(frozen=True, kw_only=True)
class Blocks(Check):
    """Keeps the event loop from running, for BLOCKED seconds after the first reply was sent."""

    kind = "blocks"
    layers: ClassVar[tuple[Layer, ...]] = (Layer.AUTH,)  # type: ignore[misc]
    target: ClassVar[str] = "itself"  # type: ignore[misc]
    sent: threading.Event = field(hash=False, compare=False)

    async def run(self, record: Recorder) -> None:
        with record.layer(Layer.AUTH, "it works"):
            await asyncio.sleep(DELAY / 2)  # the request is sent before
            self.sent.wait(20)
            time.sleep(BLOCKED)  # noqa: ASYNC251 - as a driver may


def results(server: Server, timeout: float = 20.0) -> tuple[Result, ...]:
    checks = (
        Asks(name="asks", sources={"port": ("asks.port",)}, port=server.port),
        Blocks(name="blocks", sources={}, sent=server.sent),
    )
    return run(checks, Settings(trust=Trust(), timeout=timeout), deadline=60, origins={}).results


def test_seconds_exclude_the_time_of_a_blocked_event_loop(server: Server) -> None:
    started = time.monotonic()
    asks, _ = results(server)
    total = time.monotonic() - started
    connect, auth, access = (finding.seconds for finding in asks.findings)
    assert connect < DELAY <= auth < total - BLOCKED + DELAY / 2
    assert access >= DELAY
    assert asks.seconds == pytest.approx(connect + auth + access, abs=0.01)


def test_timeout_is_paused_while_the_event_loop_is_blocked(server: Server) -> None:
    asks, blocks = results(server, timeout=BLOCKED / 2)
    assert asks.status is Status.OK, asks
    assert blocks.status is Status.OK


def test_timeout_ends_the_wait_for_a_silent_server(server: Server) -> None:
    server.replies = False
    server.sent.set()
    asks, _ = results(server, timeout=0.5)
    assert asks.findings[1].id == "network.silent"
    assert asks.findings[1].seconds == pytest.approx(0.5, abs=0.3)


def test_overlapping_waits_count_once() -> None:
    waits = Waits()
    for begin, end in ((10, 12), (11, 13), (20, 21), (11, 11.5)):
        waits.add(begin, end)
    assert (waits.seconds(0), waits.seconds(12.5), waits.seconds(30)) == (4, 1.5, 0)


def test_round_trip_is_that_of_tcp_info(server: Server) -> None:
    ours, theirs = socket.socketpair()
    with socket.create_connection((HOST, server.port)) as connection, ours, theirs:
        assert 0 < (round_trip(connection) or 0) < 1
        assert round_trip(ours) is None


def test_clock_of_the_event_loop_counts_select() -> None:
    selector = Selector()
    begun = selector.now
    while selector.now - begun < 4 * MAX_WAIT:
        assert selector.select(None) == []
    before = selector.now
    time.sleep(1)
    selector.select(0)
    assert selector.now - before == pytest.approx(0.1, abs=0.09)
