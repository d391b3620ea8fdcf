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

from checks.core.check import Status
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
    """What the process did while it was on."""

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
    sys.addaudithook(watch)  # for good: Python takes none away
    return watch


@dataclass
class Canary:
    port: int
    heard: list[bytes]

    @property
    def place(self) -> str:
        return f"{faults.LOOPBACK}:{self.port}"


@pytest.fixture(scope="module")
def canary(figures: Section) -> Iterator[Canary]:
    heard: list[bytes] = []
    with faults.serving(lambda connection: heard.append(connection.recv(4096))) as port:
        yield Canary(port, heard)
    figures.add("connections that the canary saw", len(heard))
    assert not heard


def headers(location: str, place: str) -> str:
    """Every header that sends somewhere."""
    return "\r\n".join(
        (
            f"Location: {location}",
            f"Content-Location: {location}",
            f"Refresh: 0; url={location}",
            f"Link: <{location}>; rel=canonical",
            f'Alt-Svc: http/1.1="{place}"; ma=86400',
            f'WWW-Authenticate: Bearer realm="http://{place}/token",service="x"',
            f"X-Amz-Bucket-Region: {place}/x",
            "Content-Type: application/json",
        )
    )


def locations(place: str) -> tuple[str, ...]:
    return (
        *(f"{scheme}://{place}/" for scheme in ("http", "https", "ws", "wss", "redis", "ftp")),
        *(
            f"//{place}/",
            ELSEWHERE,
            f"file://{FILE}",
            f"http://{METADATA}/latest/meta-data/",
            f"http://user:x@{place}/",
        ),
    )


@dataclass
class Sender:
    """Answers every request so, and keeps what it heard."""

    answer: bytes = b""
    heard: list[str] = field(default_factory=list)

    def __call__(self, connection: socket.socket) -> None:
        while request := request_from(connection):
            self.heard.append(request)
            connection.sendall(to(request, self.answer))


@pytest.mark.parametrize("kind", HTTP)
def test_redirects_of_http(kind: str, watch: Watch, canary: Canary, figures: Section) -> None:
    sender, sent = Sender(), 0
    with check_at_server(kind, sender) as check, watch:
        for location in locations(canary.place):
            for status in STATUSES if location.startswith(f"http://{canary.place}") else STATUSES[:4:3]:
                sender.answer = reply(status, "{}", headers(location, canary.place))
                found = run_at_server(check)
                assert found.status > Status.OK, f"{status} {location}: {found}"
                sent += 1
    stays(check, watch, canary)
    assert sender.heard
    assert not [request for request in sender.heard if ELSEWHERE in request]
    figures.cell(kind, "ways", str(sent))


def stays(check: CheckAtServer, watch: Watch, canary: Canary) -> None:
    """It went where the configuration says, and nowhere else."""
    own = {place for place in watch.connected if isinstance(place, tuple) or not str(place).startswith("\0")}
    assert own == {check.place}
    assert FILE not in watch.opened
    assert not canary.heard


WAYS: Mapping[tuple[str, str], Callable[[str], Behaviour]] = {
    (kind, way): server for kind, target in TARGETS.items() for way, server in target.redirects.items()
}


@pytest.mark.parametrize(("kind", "way"), WAYS)
def test_redirects_of_other_protocols(kind: str, way: str, watch: Watch, canary: Canary, figures: Section) -> None:
    with check_at_server(kind, WAYS[kind, way](canary.place)) as check, watch:
        found = run_at_server(check)
    assert found.status > Status.OK or way == "251", found
    stays(check, watch, canary)
    figures.cell(kind, "in its own protocol", ", ".join(each for name, each in WAYS if name == kind))
