"""The dns and connect layers of every check of the network: a name resolves, an address accepts."""

from __future__ import annotations

import asyncio
import re
import socket
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from checks.core.check import Check
from checks.core.finding import ADDRESSES, Diagnosis, Layer, Status, permanent
from checks.core.loop.threads import dead_addresses, in_thread
from checks.core.loop.waits import ROUND_TRIP
from checks.core.recorder import Recorder
from checks.core.text import foreign
from checks.net.addresses import MACHINE_LIMITS, ConnectFailed, faulty, try_all
from checks.net.network_errors import (
    ADDRESS_DIFFERS,
    ADDRESS_UNREACHABLE,
    NO_SUCH_NAME,
    RESOLVER_HINT,
    LookUpFailed,
    NoSuchName,
    diagnose,
)
from checks.net.proxies import FromProxy
from checks.net.tls import PlaintextProbe, reaction

_NEAR = 25.0  # milliseconds: a request with four round trips takes a tenth of a second longer
_MAX_SHOWN = 3  # addresses that do not work
_MAX_OTHERS = 2  # addresses beside the first that accepts, at which the protocol and TLS are tried
_RESOLV_CONF = Path("/etc/resolv.conf")
_MARGIN = 0.9  # of the resolver's limit
_NO_ADDRESS = getattr(socket, "EAI_NODATA", None)  # of the name, which exists
_UNKNOWN_LATE = "a name server gave no reply in time, and that another one does not know the name proves nothing"

FAR = permanent(
    "network.far",
    Layer.FITNESS,
    "the server is more than 25 ms away (round trip, measured by the kernel), and Mistle makes several round trips "
    "to it for each request",
    "run Mistle's services in the region of the server that {blamed} names, or name a server in theirs; "
    "if this machine is not where they run, run this where they do",
    status=Status.WARN,
)


async def reach(
    record: Recorder,
    host: str,
    port: int,
    fields: tuple[str, ...] = ("url",),
    protocol: PlaintextProbe | None = None,
) -> str:
    """The dns and connect layers, on every address of the host. Returns an address that accepts.

    ``protocol``: what a server without TLS must speak, at each of the first addresses that accept.
    """
    with record.layer(Layer.DNS, f"{host} resolves", proves=fields):
        addresses = await resolve(host, port)
    return await connect_any(record, host, addresses, port, fields, protocol)


async def connect_any(  # noqa: PLR0913, PLR0917 - as reach
    record: Recorder,
    host: str,
    addresses: tuple[str, ...],
    port: int,
    fields: tuple[str, ...],
    protocol: PlaintextProbe | None = None,
) -> str:
    """The connect layer, on every address of the host. Returns one that accepts."""
    record.facts[ADDRESSES] = " ".join(sorted(addresses))
    with record.layer(Layer.CONNECT, f"{host}:{port} accepts connections", proves=fields):
        # The grace is longer than the second after which a lost packet is retransmitted.
        tries = await try_all(addresses, port, record.share_of_time(0.4), grace=record.share_of_time(0.15))
        note_round_trip(record)
        first = _first_working(record, host, tries, len(addresses))
        accepting = [address for address, failure in tries.items() if not failure]
        record.others = tuple(address for address in accepting if address != first)[:_MAX_OTHERS]
        if record.others and protocol:
            await _compare(record, host, (first, *record.others), port, protocol)
        if len(accepting) > 1:
            scope = f"{len(accepting)} addresses do; the layers above are tried at {first} alone"
            record.add_to_goal(scope)
        return first
    raise AssertionError("a failed layer ends the check")


async def _compare(
    record: Recorder, host: str, addresses: tuple[str, ...], port: int, protocol: PlaintextProbe
) -> None:
    """Note what replies at some of these addresses in another protocol, or not at all, if another one is right."""
    limit = record.share_of_time(0.25)
    received = await asyncio.gather(*(reaction((each, port), protocol.request, limit) for each in addresses))
    replies = dict(zip(addresses, received, strict=True))
    right = [address for address, reply in replies.items() if reply and protocol.matches(reply)]
    if not right:
        return  # the layers above find out what it is
    wrong = [address for address, reply in replies.items() if reply and address not in right]
    mute = [address for address, reply in replies.items() if not reply]
    if wrong:
        text = f"{' and '.join(wrong)} of {host}'s addresses speak another protocol than {right[0]}"
        record.note(ADDRESS_DIFFERS.diagnosis(text))
    if mute:
        text = f"{' and '.join(mute)} of {host}'s addresses accept connections, and send no reply; {right[0]} does"
        record.note(ADDRESS_UNREACHABLE.diagnosis(text))


def note_round_trip(record: Recorder) -> None:
    """Keep the shortest round trip of the connections so far as a fact of the check."""
    if record.waits.round_trip is not None:
        record.facts[ROUND_TRIP] = round(record.waits.round_trip * 1e3, 3)


def note_if_far(record: Recorder) -> None:
    """Warn if the server is too far away for what Mistle does with it."""
    milliseconds = record.facts.get(ROUND_TRIP)
    if isinstance(milliseconds, float) and milliseconds > _NEAR:
        record.note(FAR.diagnosis(f"a round trip to the server takes {milliseconds:.0f} ms", blames=("url",)))


async def resolve(host: str, port: int) -> tuple[str, ...]:
    """Every address of the host, in the system's order. Raises NoSuchName, LookUpFailed and MemoryError."""
    started = time.monotonic()
    try:
        return await _look_up(host, port)
    except UnicodeError as error:  # a label that is empty or longer than 63 characters
        raise NoSuchName(f"{host} is not a host name that can be looked up") from error
    except OSError as error:
        seconds = time.monotonic() - started
        has_no_address = error.errno == _NO_ADDRESS and isinstance(error, socket.gaierror)
        asked_again = await _error_for_ipv4(host, port) if has_no_address else None
        raise await _failure(host, asked_again or error, seconds) from error


async def _look_up(host: str, port: int, family: int = socket.AF_UNSPEC) -> tuple[str, ...]:
    loop = asyncio.get_running_loop()
    entries = await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in entries))


async def _error_for_ipv4(host: str, port: int) -> OSError | None:
    """The error of the query for an IPv4 address alone. glibc would report it as a name that has no address."""
    try:
        await _look_up(host, port, socket.AF_INET)
    except OSError as error:
        return error
    return None


async def _failure(host: str, error: OSError, seconds: float) -> Exception:
    """What a failed look-up means: before the resolver's own limit, no name server can have been silent."""
    if not isinstance(error, socket.gaierror):
        if error.errno in MACHINE_LIMITS:
            return error
        text = f"{host} does not resolve: the system's resolver failed: {error.strerror}"
        return LookUpFailed(text, hint=RESOLVER_HINT)
    if error.errno == socket.EAI_MEMORY:
        return MemoryError(error.strerror)
    if is_late := seconds >= _MARGIN * await in_thread(_patience):
        text = _UNKNOWN_LATE if error.errno in NO_SUCH_NAME else "no reply in time, or an error"
        return LookUpFailed(f"{host} does not resolve, after {seconds:.1f} s: {text}", is_late=is_late)
    if error.errno in NO_SUCH_NAME:
        text = "the name exists, and has no address" if error.errno == _NO_ADDRESS else "no such host"
        return NoSuchName(f"{host} does not resolve: {text}")
    text = f"{foreign(str(error.strerror))}: the name server replies with an error, or nothing listens there"
    return LookUpFailed(f"{host} does not resolve: {text}")


def _patience() -> float:
    """Seconds that the system's resolver waits at least for a name server that does not reply: see resolv.conf(5)."""
    try:
        text = _RESOLV_CONF.read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    return float((re.findall(r"(?m)^options\b.*\btimeout:(\d{1,2})\b", text) or ["5"])[-1])


def _first_working(record: Recorder, host: str, tries: dict[str, ConnectFailed | None], total: int) -> str:
    dead = [failure for failure in tries.values() if failure]
    dead_addresses().update(failure.host for failure in dead)
    working = next((address for address, failure in tries.items() if not failure), None)
    at_fault = faulty(tries)
    if working is None:
        raise (at_fault or dead)[0]
    if at_fault:
        record.note(ADDRESS_UNREACHABLE.diagnosis(f"{_summary(host, at_fault, total)}; {working} works"))
    return working


def _summary(host: str, failures: list[ConnectFailed], total: int) -> str:
    """What is wrong with one address, or with the first of many."""
    shown = ", ".join(getattr(diagnose(failure), "message", str(failure)) for failure in failures[:_MAX_SHOWN])
    if len(failures) == 1:
        return shown
    more = f", and {len(failures) - _MAX_SHOWN} more" if len(failures) > _MAX_SHOWN else ""
    return f"{len(failures)} of {host}'s {total} addresses do not work: {shown}{more}"


@dataclass(frozen=True, kw_only=True)
class NetworkCheck(Check):
    """A check of a server at a host and port; ``address`` names the fields that hold them."""

    address: ClassVar[tuple[str, ...]] = ("url",)
    over_http: ClassVar[bool] = False  # a proxy may reply in the server's name

    @property
    def server_address(self) -> tuple[str, int] | None:
        """The host and port of its endpoint, or its own; None for a Unix socket."""
        server: Any = getattr(self, "endpoint", self)
        host = getattr(server, "host", "")
        return (host, server.port) if host and not host.startswith("/") else None

    def diagnose(self, error: Exception) -> Diagnosis | None:
        """Network and TLS errors blame the fields that hold the address."""
        diagnosis = error.diagnosis if isinstance(error, FromProxy) else diagnose(error)
        if diagnosis is None or diagnosis.blames is not None:
            return diagnosis
        return replace(diagnosis, blames=self.address)
