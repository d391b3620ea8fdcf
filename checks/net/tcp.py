"""The rungs below every protocol: a name resolves, an address accepts; and what network errors mean."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import socket
import ssl
from dataclasses import dataclass
from typing import ClassVar

from checks.core.chain import chain
from checks.core.check import Cause, Check, CheckTimeout, Diagnosis, Layer, Recorder, Status, causes_in
from checks.core.limits import ResponseTooLarge
from checks.core.text import foreign
from checks.core.threads import dead_addresses
from checks.net import tls
from checks.net.addresses import LACKING, ConnectFailed, faulty, try_all

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
NOT_PERMITTED = Cause(
    "network.not-permitted",
    Layer.CONNECT,
    "this machine itself forbids the connection: a firewall rule, a prohibited route, a security policy",
    "let connections from here to there out (ip route, nftables, network policy, SELinux or AppArmor profile), "
    "or correct the host and port in {blamed}",
)
NO_LOCAL_PORT = Cause(
    "network.no-local-port",
    Layer.CONNECT,
    "this machine has no free port, or no network buffer, for one more connection",
    "find who holds so many connections (ss -tan), or allow more: sysctl net.ipv4.ip_local_port_range",
    blames=(),
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
CAUSES = causes_in(globals())

_SHOWN = 3  # addresses that do not work, of however many
_NO_SUCH_NAME = {getattr(socket, f"EAI_{name}", socket.EAI_NONAME) for name in ("NONAME", "NODATA", "ADDRFAMILY")}
_SEVERAL = re.compile(r"Multiple exceptions: \[Errno (\d+)\]")  # asyncio's words, where no address of several accepts
# What socket(2), bind(2) and connect(2) give, beside what has a class of its own in Python or is the machine's lack.
_GIVEN = (
    (NOT_PERMITTED, "EACCES EPERM"),
    (NO_LOCAL_PORT, "EADDRINUSE EAGAIN ENOBUFS"),
    (RESET, "ENETRESET ENOTCONN"),
    (
        UNREACHABLE,
        "EADDRNOTAVAIL EAFNOSUPPORT EHOSTDOWN EHOSTUNREACH ENETDOWN ENETUNREACH ENONET ENOPROTOOPT EOPNOTSUPP "
        "EPFNOSUPPORT EPROTONOSUPPORT EPROTOTYPE ESOCKTNOSUPPORT",
    ),
)
_BY_ERRNO = {getattr(errno, name): cause for cause, names in _GIVEN for name in names.split() if hasattr(errno, name)}
_WORDS = {
    NOT_PERMITTED: "this machine does not let the connection{to} out",
    NO_LOCAL_PORT: "this machine cannot make one more connection{to}",
    RESET: "the connection{to} broke",
    UNREACHABLE: "no route{to}",
}


class NoSuchName(Exception):
    """A host name that cannot be looked up at all."""


async def reach(record: Recorder, host: str, port: int, fields: tuple[str, ...] = ("url",)) -> str:
    """The dns and connect rungs, on every address of the host. Returns an address that accepts."""
    with record.layer(Layer.DNS, f"{host} resolves", proves=fields):
        addresses = await resolve(host, port)
    return await connect_any(record, host, addresses, port, fields)


async def connect_any(
    record: Recorder, host: str, addresses: tuple[str, ...], port: int, fields: tuple[str, ...]
) -> str:
    """The connect rung, on every one of the host's addresses. Returns one that accepts."""
    with record.layer(Layer.CONNECT, f"{host}:{port} accepts connections", proves=fields):
        # The grace is longer than the second after which a lost packet is sent again.
        tries = await try_all(addresses, port, record.share_of_time(0.4), grace=record.share_of_time(0.15))
        return _first_alive(record, host, tries, len(addresses))
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
        if error.errno == socket.EAI_MEMORY:
            raise MemoryError(error.strerror) from error
        raise
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


def _first_alive(record: Recorder, host: str, tries: dict[str, ConnectFailed | None], total: int) -> str:
    dead = [failure for failure in tries.values() if failure]
    dead_addresses().update(failure.host for failure in dead)
    alive = next((address for address, failure in tries.items() if not failure), None)
    at_fault = faulty(tries)
    if alive is None:
        raise (at_fault or dead)[0]
    if at_fault:
        record.note(ADDRESS_UNREACHABLE.diagnosis(f"{_counted(host, at_fault, total)}; {alive} works"))
    return alive


def _counted(host: str, failures: list[ConnectFailed], total: int) -> str:
    """What is wrong with one address, or with the first few of many."""
    shown = ", ".join(getattr(diagnose(failure), "message", str(failure)) for failure in failures[:_SHOWN])
    if len(failures) == 1:
        return shown
    more = f", and {len(failures) - _SHOWN} more" if len(failures) > _SHOWN else ""
    return f"{len(failures)} of {host}'s {total} addresses do not work: {shown}{more}"


def diagnose(error: BaseException) -> Diagnosis | None:
    """What a network or TLS error means, wherever in its chain of causes a driver has put it."""
    if endless := next((link for link in chain(error) if isinstance(link, ResponseTooLarge)), None):
        return ENDLESS.diagnosis(f"connected, then {endless}")  # whatever a driver makes of it
    failed = next((link for link in chain(error) if isinstance(link, ConnectFailed)), None)
    return next(filter(None, (tls.diagnose(link) or _diagnose(link, failed) for link in chain(error))), None)


def _diagnose(error: BaseException, failed: ConnectFailed | None) -> Diagnosis | None:
    to, by, of = (f" {word} {failed.address}" for word in ("to", "by", "from")) if failed else ("", "", "")
    match error:
        case NoSuchName():
            return NAME_NOT_FOUND.diagnosis(str(error))
        case socket.gaierror() if error.errno in _NO_SUCH_NAME:
            return NAME_NOT_FOUND.diagnosis("the name does not resolve: no such host")
        case socket.gaierror():
            return DNS_TIMEOUT.diagnosis(f"the name does not resolve: {foreign(str(error.strerror))}")
        case ConnectionRefusedError():
            return REFUSED.diagnosis(f"connection refused{by}")
        case ConnectionResetError() | BrokenPipeError() | EOFError() | ssl.SSLEOFError() | ssl.SSLZeroReturnError():
            return RESET.diagnosis(f"the connection{to} was closed by the server")
        case ConnectionAbortedError():
            return RESET.diagnosis(f"the connection{to} was broken off")
        case TimeoutError() if failed:
            return TIMEOUT.diagnosis(f"no answer{of}: packets are dropped")
        case TimeoutError():
            return SILENT.diagnosis("connected, then no answer in time")
        case OSError(errno=None) if several := _SEVERAL.match(str(error)):
            return _diagnose(OSError(int(several[1]), ""), failed)
        case OSError(errno=int(code), filename=None) if code not in LACKING:
            return _by_errno(code, failed)
        case CheckTimeout():
            return _late(error)
    return None


def _late(error: CheckTimeout) -> Diagnosis:
    match error.layer:
        case Layer.DNS:
            return DNS_TIMEOUT.diagnosis(f"the name server gave {error}")
        case Layer.CONNECT:
            return TIMEOUT.diagnosis(str(error))
    return SILENT.diagnosis(f"connected, then {error}")


def _by_errno(code: int, failed: ConnectFailed | None) -> Diagnosis | None:
    """What the system's error means; an unlisted one only where it is known to be a connection's."""
    cause = _BY_ERRNO.get(code, UNREACHABLE if failed else None)
    if code == errno.EADDRNOTAVAIL and failed and not failed.is_ipv6:
        cause = NO_LOCAL_PORT  # IPv6 says so of a machine without any address
    to = f" to {failed.address}" if failed else ""
    return cause.diagnosis(f"{_WORDS[cause].format(to=to)}: {os.strerror(code)}") if cause else None


@dataclass(frozen=True, kw_only=True)
class NetworkCheck(Check):
    """A check of something at a host and port; ``address`` names its fields that hold them."""

    address: ClassVar[tuple[str, ...]] = ("url",)

    def diagnose(self, error: Exception) -> Diagnosis | None:
        """Network and TLS errors blame the fields that hold the address."""
        found = diagnose(error)
        return found and found.cause.diagnosis(
            found.message,
            hint=found.hint,
            blames=self.address if found.blames is None else found.blames,
            status=found.status,
        )
