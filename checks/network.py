"""The rungs below every protocol: a name resolves, an address accepts; and what network errors mean."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from checks import trust
from checks.base import Cause, Check, Diagnosis, Layer, OutOfTime, Recorder, Status
from checks.bounds import Endless
from checks.threads import dead_addresses

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHECK_HOST = "correct the host name in {blamed}, or add it to DNS"

NAME_NOT_FOUND = Cause("network.name-not-found", Layer.DNS, "the host name does not exist", _CHECK_HOST)
DNS_TIMEOUT = Cause(
    "network.dns-timeout",
    Layer.DNS,
    "the name server did not answer",
    "make the name server in /etc/resolv.conf reachable from here, then check the host name in {blamed}",
)
REFUSED = Cause(
    "network.refused",
    Layer.CONNECT,
    "the host answers, but nothing listens on that port",
    "start the service, or correct the host and port in {blamed}",
)
TIMEOUT = Cause(
    "network.timeout",
    Layer.CONNECT,
    "packets to the address are dropped: a firewall, a wrong network, a host that is down",
    "open the port from here to there (firewall, security group, network policy), "
    "or correct the host and port in {blamed}",
)
UNREACHABLE = Cause(
    "network.unreachable",
    Layer.CONNECT,
    "there is no route to the address from here",
    "connect this machine to that network, or correct the host in {blamed}",
)
RESET = Cause(
    "network.reset",
    Layer.CONNECT,
    "the connection was accepted and then closed or reset",
    "look at the server's own log for the reason; check that {blamed} names the port of the right service",
)
SILENT = Cause(
    "network.silent",
    Layer.CONNECT,
    "the port accepts connections, and then the server never answers",
    "check that {blamed} names the port of the right service, and that the service is not hung",
)
ENDLESS = Cause(
    "network.endless",
    Layer.CONNECT,
    "the server sends more than any server of this kind would, and was cut off",
    "check that {blamed} names the port of the right service: this one streams something else, or means harm",
)
ADDRESS_UNREACHABLE = Cause(
    "network.address-unreachable",
    Layer.CONNECT,
    "the name has several addresses, and some of them do not work",
    "remove the dead address from DNS or make it work: clients that try it first are slow or fail ({blamed})",
    status=Status.WARN,
)
CAUSES = (
    NAME_NOT_FOUND,
    DNS_TIMEOUT,
    REFUSED,
    TIMEOUT,
    UNREACHABLE,
    RESET,
    SILENT,
    ENDLESS,
    ADDRESS_UNREACHABLE,
)

_NO_SUCH_NAME = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}
_NO_ROUTE = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EACCES}


class ConnectFailed(Exception):
    """An address did not accept; the cause is the error that the system gave."""

    def __init__(self, address: str, port: int) -> None:
        super().__init__(f"{address}:{port}")
        self.host = address
        self.address = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


class NoSuchName(Exception):
    """A host name that cannot be looked up at all."""


async def reach(record: Recorder, host: str, port: int, fields: tuple[str, ...] = ("url",)) -> str:
    """The dns and connect rungs, on every address of the host. Returns an address that accepts."""
    with record.layer(Layer.DNS, f"{host} resolves", proves=fields):
        addresses = await resolve(host, port)
    return await choose(record, host, addresses, port, fields)


async def choose(record: Recorder, host: str, addresses: tuple[str, ...], port: int, fields: tuple[str, ...]) -> str:
    """The connect rung, on every one of the host's addresses. Returns one that accepts."""
    with record.layer(Layer.CONNECT, f"{host}:{port} accepts connections", proves=fields):
        # The grace is longer than the second after which a lost packet is sent again.
        tries = await _try_all(addresses, port, record.part(0.4), grace=record.part(0.15))
        return _first_alive(record, tries)
    raise AssertionError("a failed rung ends the climb")


async def resolve(host: str, port: int) -> tuple[str, ...]:
    """Every address of the host, in the system's order."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # a label that is empty or longer than 63 characters
        raise NoSuchName(f"{host} is not a host name that can be looked up") from error
    except socket.gaierror as error:
        if error.errno in _NO_SUCH_NAME:
            raise NoSuchName(f"{host} does not resolve: no such host") from error
        raise
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


async def connect(address: str, port: int, limit: float) -> None:
    """Open a connection and close it; ConnectFailed names the address."""
    try:
        async with asyncio.timeout(limit):
            _, writer = await asyncio.open_connection(address, port)
    except OSError as error:
        raise ConnectFailed(address, port) from error
    writer.transport.abort()


async def _try_all(
    addresses: tuple[str, ...], port: int, limit: float, grace: float
) -> dict[str, ConnectFailed | None]:
    """Why each address does not accept; None where it does. Once one does, the others have ``grace`` seconds more."""
    tries = {address: asyncio.create_task(_try(address, port, limit)) for address in addresses}
    try:
        for ended in asyncio.as_completed(tries.values()):
            if await ended is None:
                break
        await asyncio.wait(tries.values(), timeout=grace)
        return {address: each.result() if each.done() else _late(address, port) for address, each in tries.items()}
    finally:
        for each in tries.values():
            each.cancel()


async def _try(address: str, port: int, limit: float) -> ConnectFailed | None:
    try:
        await connect(address, port, limit)
    except ConnectFailed as failure:
        return failure
    return None


def _late(address: str, port: int) -> ConnectFailed:
    failure = ConnectFailed(address, port)
    failure.__cause__ = TimeoutError()
    return failure


def _first_alive(record: Recorder, tries: dict[str, ConnectFailed | None]) -> str:
    dead = [failure for failure in tries.values() if failure]
    dead_addresses().update(failure.host for failure in dead)
    alive = [address for address, failure in tries.items() if not failure]
    if not alive:
        raise dead[0]
    for failure in dead:
        message = getattr(diagnose(failure), "message", str(failure))
        record.note(ADDRESS_UNREACHABLE.found(f"{message}; {alive[0]} works"))
    return alive[0]


def diagnose(error: BaseException) -> Diagnosis | None:
    """What a network or TLS error means, wherever in its chain of causes a driver has put it."""
    if endless := next((link for link in chain(error) if isinstance(link, Endless)), None):
        return ENDLESS.found(f"connected, then {endless}")  # whatever a driver makes of it
    where = next((f" {link.address}" for link in chain(error) if isinstance(link, ConnectFailed)), "")
    return next(filter(None, (trust.diagnose(link) or _diagnose(link, where) for link in chain(error))), None)


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and those that it came from, through every driver that wrapped them."""
    met: set[int] = set()
    while error is not None and id(error) not in met:
        yield error
        met.add(id(error))
        error = error.__cause__ or error.__context__


def _diagnose(error: BaseException, where: str) -> Diagnosis | None:
    match error:
        case NoSuchName():
            return NAME_NOT_FOUND.found(str(error))
        case socket.gaierror() if error.errno in _NO_SUCH_NAME:
            return NAME_NOT_FOUND.found("the name does not resolve: no such host")
        case socket.gaierror():
            return DNS_TIMEOUT.found(f"the name does not resolve: {error.strerror}")
        case ConnectionRefusedError():
            return REFUSED.found(f"connection refused{where and ' by' + where}")
        case ConnectionResetError() | BrokenPipeError() | ConnectionAbortedError() | EOFError() | ssl.SSLEOFError():
            return RESET.found(f"the connection{where and ' to' + where} was closed by the server")
        case TimeoutError() if where:
            return TIMEOUT.found(f"no answer from{where}: packets are dropped")
        case TimeoutError():
            return SILENT.found("connected, then no answer in time")
        case OSError() if error.errno in _NO_ROUTE:
            return UNREACHABLE.found(f"no route{where and ' to' + where}: {error.strerror}")
        case OutOfTime(layer=Layer.DNS):
            return DNS_TIMEOUT.found(f"the name server gave {error}")
        case OutOfTime(layer=Layer.CONNECT):
            return TIMEOUT.found(str(error))
        case OutOfTime():
            return SILENT.found(f"connected, then {error}")
    return None


@dataclass(frozen=True, kw_only=True)
class NetworkCheck(Check):
    """A check of something at a host and port; ``address`` names its fields that hold them."""

    address: ClassVar[tuple[str, ...]] = ("url",)

    def diagnose(self, error: Exception) -> Diagnosis | None:
        """Network and TLS errors blame the fields that hold the address."""
        found = diagnose(error)
        return found and found.cause.found(
            found.message, hint=found.hint, blames=found.blames or self.address, status=found.status
        )
