"""Servers that redirect.

A server of each kind redirects every request, in every way that its protocol has: to another host, where a canary
waits, to another path, to a file, to the address where clouds keep credentials. The tool connects only to the servers
that the configuration names: the test records everything that its process connects to and opens.
"""

import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import pytest

from checks.core.finding import Status
from tests.harness import faults
from tests.harness.answers import reply, request_from, to
from tests.harness.descriptors import TARGETS
from tests.harness.faults import Behaviour
from tests.harness.figures import Section
from tests.harness.targets import HTTP, CheckAtServer, check_at_server, run_at_server

ELSEWHERE = "/mistle-preflight-elsewhere"
FILE = "/etc/passwd"
METADATA = "169.254.169.254"
STATUSES = ("301 Moved", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect", "300 Choose")


@dataclass
class Watch:
    """Records the connections and opened files of the process while it is on."""

    is_on: bool = False
    connected: set[object] = field(default_factory=set)
    opened: set[str] = field(default_factory=set)

    def __call__(self, event: str, given: tuple[object, ...]) -> None:
        if self.is_on and event == "socket.connect":
            self.connected.add(given[1])
        if self.is_on and event == "open":
            self.opened.add(str(given[0]))

    def __enter__(self) -> "Watch":
        self.is_on, self.connected, self.opened = True, set(), set()
        return self

    def __exit__(self, *_: object) -> None:
        self.is_on = False


@pytest.fixture(scope="module")
def watch() -> Watch:
    watch = Watch()
    sys.addaudithook(watch)  # it stays: Python removes no audit hook
    return watch


@dataclass
class Canary:
    port: int
    received: list[bytes]

    @property
    def address(self) -> str:
        return f"{faults.LOOPBACK}:{self.port}"


@pytest.fixture(scope="module")
def canary(figures: Section) -> Iterator[Canary]:
    received: list[bytes] = []
    with faults.serving(lambda connection: received.append(connection.recv(4096))) as port:
        yield Canary(port, received)
    figures.add("connections that the canary saw", len(received))
    assert not received


def headers(location: str, address: str) -> str:
    """Every header that can redirect."""
    return "\r\n".join(
        (
            f"Location: {location}",
            f"Content-Location: {location}",
            f"Refresh: 0; url={location}",
            f"Link: <{location}>; rel=canonical",
            f'Alt-Svc: http/1.1="{address}"; ma=86400',
            f'WWW-Authenticate: Bearer realm="http://{address}/token",service="x"',
            f"X-Amz-Bucket-Region: {address}/x",
            "Content-Type: application/json",
        )
    )


def locations(address: str) -> tuple[str, ...]:
    return (
        *(f"{scheme}://{address}/" for scheme in ("http", "https", "ws", "wss", "redis", "ftp")),
        *(
            f"//{address}/",
            ELSEWHERE,
            f"file://{FILE}",
            f"http://{METADATA}/latest/meta-data/",
            f"http://user:x@{address}/",
        ),
    )


@dataclass
class Redirector:
    """Sends the same reply to every request, and keeps the requests."""

    reply: bytes = b""
    requests: list[str] = field(default_factory=list)

    def __call__(self, connection: socket.socket) -> None:
        while request := request_from(connection):
            self.requests.append(request)
            connection.sendall(to(request, self.reply))


@pytest.mark.parametrize("kind", HTTP)
def test_redirects_of_http(kind: str, watch: Watch, canary: Canary, figures: Section) -> None:
    server, sent = Redirector(), 0
    with check_at_server(kind, server) as check, watch:
        for location in locations(canary.address):
            for status in STATUSES if location.startswith(f"http://{canary.address}") else STATUSES[:4:3]:
                server.reply = reply(status, "{}", headers(location, canary.address))
                result = run_at_server(check)
                assert result.status > Status.OK, f"{status} {location}: {result}"
                sent += 1
    assert_stayed(check, watch, canary)
    assert server.requests
    assert not [request for request in server.requests if ELSEWHERE in request]
    figures.cell(kind, "ways", str(sent))


def assert_stayed(check: CheckAtServer, watch: Watch, canary: Canary) -> None:
    """The check connected only to the address in the configuration."""
    addresses = {each for each in watch.connected if isinstance(each, tuple) or not str(each).startswith("\0")}
    assert addresses == {check.address}
    assert FILE not in watch.opened
    assert not canary.received


WAYS: Mapping[tuple[str, str], Callable[[str], Behaviour]] = {
    (kind, way): server for kind, target in TARGETS.items() for way, server in target.redirects.items()
}


@pytest.mark.parametrize(("kind", "way"), WAYS)
def test_redirects_of_other_protocols(kind: str, way: str, watch: Watch, canary: Canary, figures: Section) -> None:
    with check_at_server(kind, WAYS[kind, way](canary.address)) as check, watch:
        result = run_at_server(check)
    assert result.status > Status.OK or way == "251", result
    assert_stayed(check, watch, canary)
    figures.cell(kind, "in its own protocol", ", ".join(each for name, each in WAYS if name == kind))
