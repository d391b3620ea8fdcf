"""What a network error means: the causes ``network.*``, and the diagnosis of an error."""

from __future__ import annotations

import errno
import os
import re
import socket
import ssl

from checks.core.chain import chain
from checks.core.check import Cause, CheckTimeout, Diagnosis, Layer, Status, causes_in
from checks.core.limits import ResponseTooLarge
from checks.core.text import foreign
from checks.net import tls_errors
from checks.net.addresses import LACKING, ConnectFailed

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

NO_SUCH_NAME = {getattr(socket, f"EAI_{name}", socket.EAI_NONAME) for name in ("NONAME", "NODATA", "ADDRFAMILY")}
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


def diagnose(error: BaseException) -> Diagnosis | None:
    """What a network or TLS error means, wherever in its chain of causes a driver has put it."""
    if endless := next((link for link in chain(error) if isinstance(link, ResponseTooLarge)), None):
        return ENDLESS.diagnosis(f"connected, then {endless}")  # whatever a driver makes of it
    failed = next((link for link in chain(error) if isinstance(link, ConnectFailed)), None)
    return next(filter(None, (tls_errors.diagnose(link) or _diagnose(link, failed) for link in chain(error))), None)


def _diagnose(error: BaseException, failed: ConnectFailed | None) -> Diagnosis | None:
    to, by, of = (f" {word} {failed.address}" for word in ("to", "by", "from")) if failed else ("", "", "")
    match error:
        case NoSuchName():
            return NAME_NOT_FOUND.diagnosis(str(error))
        case socket.gaierror() if error.errno in NO_SUCH_NAME:
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
