"""What a network error means: the causes ``network.*``, and the diagnosis of an error."""

from __future__ import annotations

import errno
import os
import re
import socket
import ssl

from checks.core.chain import chain
from checks.core.finding import CheckTimeout, Diagnosis, Layer, Status, causes_in, permanent, temporary
from checks.core.limits import ResponseTooLarge
from checks.core.text import foreign
from checks.net import certificates, tls_errors
from checks.net.addresses import MACHINE_LIMITS, ConnectFailed

_CHECK_HOST = "correct the host name in {blamed}, or add it to DNS"

NAME_NOT_FOUND = temporary("network.name-not-found", Layer.DNS, "the host name does not exist", _CHECK_HOST)
DNS_TIMEOUT = temporary(
    "network.dns-timeout",
    Layer.DNS,
    "the name server did not reply in time",
    "make the name server in /etc/resolv.conf reachable from here, then check the host name in {blamed}",
)
DNS_FAILED = temporary(
    "network.dns-failed",
    Layer.DNS,
    "the name server replies with an error (SERVFAIL, REFUSED), or nothing listens at its address: whether the name "
    "exists is not known",
    "look at the log of the name server in /etc/resolv.conf: often it does not reach the zone's own server, DNSSEC "
    "fails there, or it does not serve this machine; then check the host name in {blamed}",
    former=("network.dns-timeout",),
)
REFUSED = temporary(
    "network.refused",
    Layer.CONNECT,
    "the host replies, but nothing listens on that port",
    "start the service, or correct the host and port in {blamed}",
)
TIMEOUT = temporary(
    "network.timeout",
    Layer.CONNECT,
    "packets to the address are dropped: a firewall, a wrong network, a host that is down",
    "open the port from here to there (firewall, security group, network policy), "
    "or correct the host and port in {blamed}",
)
UNREACHABLE = temporary(
    "network.unreachable",
    Layer.CONNECT,
    "there is no route to the address from here",
    "connect this machine to that network, or correct the host in {blamed}",
)
NOT_PERMITTED = permanent(
    "network.not-permitted",
    Layer.CONNECT,
    "this machine itself forbids the connection: a firewall rule, a prohibited route, a security policy",
    "allow outgoing connections to the address (ip route, nftables, network policy, SELinux or AppArmor profile), "
    "or correct the host and port in {blamed}",
)
NO_LOCAL_PORT = permanent(
    "network.no-local-port",
    Layer.CONNECT,
    "this machine has no free port, or no network buffer, for one more connection",
    "find the process that holds so many connections (ss -tan), or allow more: sysctl net.ipv4.ip_local_port_range",
    blames=(),
)
RESET = temporary(
    "network.reset",
    Layer.CONNECT,
    "the connection was accepted and then closed or reset",
    "look at the server's own log for the reason; check that {blamed} names the port of the right service",
)
SLOW = temporary(
    "network.slow",
    Layer.CONNECT,
    "the server replies, but later than the check waits",
    "look at the load and the log of the server of {blamed}, and at the network between; "
    "to see whether everything else works, give the check more time with --timeout",
    former=("network.silent",),
)
SILENT = temporary(
    "network.silent",
    Layer.CONNECT,
    "the port accepts connections, but then the server sends no reply",
    "check that {blamed} names the port of the right service, and that the service is not hung; "
    "a server that is only slow needs a longer --timeout",
    slow=SLOW,
    hint_later="look at the log and the load of the server of {blamed}, and make sure that it is not hung; if it is "
    "healthy, look for a device on the way that drops large packets (MTU)",
)
LARGE_PACKETS_LOST = permanent(
    "network.large-packets-lost",
    Layer.CONNECT,
    "small messages get replies, but long ones do not: the path drops large packets",
    "lower the MTU of this machine's network (ip link set dev eth0 mtu 1400), or let the firewalls on the way to the "
    "server of {blamed} pass ICMP 'fragmentation needed'; VPNs and overlays need a smaller MTU than their links",
    former=("postgres.pool-exhausted",),
)
ENDLESS = permanent(
    "network.endless",
    Layer.CONNECT,
    "the server sends more than any server of this kind does; the connection was closed here",
    "check that {blamed} names the port of the right service: this server streams other data, or is hostile",
)
ADDRESS_UNREACHABLE = permanent(
    "network.address-unreachable",
    Layer.CONNECT,
    "the name has several addresses, and some of them do not work",
    "remove the dead address from DNS or make it work: clients that try it first are slow or fail ({blamed})",
    status=Status.WARN,
)
ADDRESS_DIFFERS = permanent(
    "network.address-differs",
    Layer.CONNECT,
    "the name has several addresses, and another service replies at some of them: each client that takes one fails",
    "remove the addresses that are not the service's from DNS, or start the service there ({blamed})",
)
CAUSES = causes_in(globals())

NO_SUCH_NAME = {getattr(socket, f"EAI_{name}", socket.EAI_NONAME) for name in ("NONAME", "NODATA", "ADDRFAMILY")}
_MULTIPLE = re.compile(r"Multiple exceptions: \[Errno (\d+)\]")  # asyncio's error when no address of several accepts
# Errors of socket(2), bind(2) and connect(2), except those with a class of their own in Python, and MACHINE_LIMITS.
_ERRNOS = (
    (NOT_PERMITTED, "EACCES EPERM"),
    (NO_LOCAL_PORT, "EADDRINUSE EAGAIN ENOBUFS"),
    (RESET, "ENETRESET ENOTCONN"),
    (
        UNREACHABLE,
        "EADDRNOTAVAIL EAFNOSUPPORT EHOSTDOWN EHOSTUNREACH ENETDOWN ENETUNREACH ENONET ENOPROTOOPT EOPNOTSUPP "
        "EPFNOSUPPORT EPROTONOSUPPORT EPROTOTYPE ESOCKTNOSUPPORT",
    ),
)
_BY_ERRNO = {getattr(errno, name): cause for cause, names in _ERRNOS for name in names.split() if hasattr(errno, name)}
_MESSAGES = {
    NOT_PERMITTED: "this machine blocks the connection{to}",
    NO_LOCAL_PORT: "this machine cannot make one more connection{to}",
    RESET: "the connection{to} broke",
    UNREACHABLE: "no route{to}",
}


RESOLVER_HINT = "correct the line hosts: of /etc/nsswitch.conf, or what it names; then check the host name in {blamed}"


class NoSuchName(Exception):
    """The host name does not exist, or is not a valid name."""


class LookUpFailed(socket.gaierror):
    """The look-up failed: whether the name exists is unknown. ``is_late``: a name server may have been silent."""

    def __init__(self, message: str, *, is_late: bool = False, hint: str | None = None) -> None:
        super().__init__(socket.EAI_AGAIN, message)
        self.is_late, self.hint = is_late, hint


def diagnose(error: BaseException) -> Diagnosis | None:
    """The diagnosis of a network or TLS error, wherever it is in the chain of causes; None for any other error."""
    # First, because drivers report it as many other errors.
    if too_large := next((link for link in chain(error) if isinstance(link, ResponseTooLarge)), None):
        return ENDLESS.diagnosis(f"connected, then {too_large}")
    failed = next((link for link in chain(error) if isinstance(link, ConnectFailed)), None)
    of_link = (
        certificates.diagnose(link) or tls_errors.diagnose(link) or _of_name(link) or _diagnose(link, failed)
        for link in chain(error)
    )
    return next(filter(None, of_link), None)


def _of_name(error: BaseException) -> Diagnosis | None:
    match error:
        case NoSuchName():
            return NAME_NOT_FOUND.diagnosis(str(error))
        case LookUpFailed():
            cause = DNS_TIMEOUT if error.is_late else DNS_FAILED
            return cause.diagnosis(str(error.strerror), hint=error.hint)
        case socket.gaierror() if error.errno in NO_SUCH_NAME:
            return NAME_NOT_FOUND.diagnosis("the name does not resolve: no such host")
        case socket.gaierror():
            return DNS_TIMEOUT.diagnosis(f"the name does not resolve: {foreign(str(error.strerror))}")
    return None


def _diagnose(error: BaseException, failed: ConnectFailed | None) -> Diagnosis | None:
    to, by, of = (f" {word} {failed.address}" for word in ("to", "by", "from")) if failed else ("", "", "")
    match error:
        case ConnectionRefusedError():
            return REFUSED.diagnosis(f"connection refused{by}")
        case ConnectionResetError() | BrokenPipeError() | EOFError() | ssl.SSLEOFError() | ssl.SSLZeroReturnError():
            return RESET.diagnosis(f"the connection{to} was closed by the server")
        case ConnectionAbortedError():
            return RESET.diagnosis(f"the connection{to} was aborted")
        case TimeoutError() if failed:
            return TIMEOUT.diagnosis(f"no reply{of}: packets are dropped")
        case TimeoutError():
            return SILENT.diagnosis("connected, then no reply in time")
        case OSError(errno=None) if multiple := _MULTIPLE.match(str(error)):
            return _diagnose(OSError(int(multiple[1]), ""), failed)
        case OSError(errno=int(code), filename=None) if code not in MACHINE_LIMITS:
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
    """An errno without an entry is UNREACHABLE if it is a connection's error, else not a network error."""
    cause = _BY_ERRNO.get(code, UNREACHABLE if failed else None)
    if code == errno.EADDRNOTAVAIL and failed and not failed.is_ipv6:
        cause = NO_LOCAL_PORT  # with IPv6 it means that the machine has no address
    to = f" to {failed.address}" if failed else ""
    return cause.diagnosis(f"{_MESSAGES[cause].format(to=to)}: {os.strerror(code)}") if cause else None
