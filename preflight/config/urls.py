"""URLs as Mistle reads them: Node's ``new URL``, and then its clients."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote

from checks.core.text import bracketed
from preflight.config import web_hosts
from preflight.config.web_hosts import BadUrl

DEFAULT_PORTS = {
    "http": 80,
    "https": 443,
    "ws": 80,
    "wss": 443,
    "postgres": 5432,
    "postgresql": 5432,
    "redis": 6379,
    "rediss": 6379,
}
_WEB = ("http", "https", "ws", "wss")  # `new URL` normalises these, and leaves the host of the others as it is

_PARTS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(//)?([^/?#]*)([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL)
_HOST = re.compile(r"[A-Za-z0-9_.~-]+")  # the characters that resolvers accept; `new URL` accepts more
_LONGEST = 255  # characters of a host: the limit of DNS
_PORT = re.compile(r"[0-9]+")
_PORT_WITH_LETTERS = re.compile(r":[0-9]*[^0-9:\]][^:\]]*$")
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_UNSAFE = re.compile(r"[\x00-\x20\x7f]")

_ENCODE = (
    "in a user name or password, percent-encode special characters (@ is %40, : is %3A, / is %2F, ? is %3F, # is %23)"
)


@dataclass(frozen=True)
class Url:
    """A URL's parts. ``username``, ``password`` are decoded, "" if absent; ``host`` is without brackets; ``port`` is
    the scheme's default if none is written, 0 if it has none; ``path``, ``query`` and ``fragment`` are as written;
    ``pairs`` is the query decoded. ``others`` are the further servers of a Postgres URL.
    """

    scheme: str
    username: str
    password: str = field(repr=False)
    host: str
    port: int
    path: str
    query: str = field(default="", repr=False)
    pairs: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    fragment: str = field(default="", repr=False)
    others: tuple[tuple[str, int], ...] = ()

    @property
    def authority(self) -> str:
        """``host:port``, with brackets around an IPv6 address; without the port if it is the scheme's default."""
        host = bracketed(self.host)
        return host if self.port == DEFAULT_PORTS.get(self.scheme, 0) else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """The ``Origin`` header that a browser sends from a page at this URL."""
        return f"{self.scheme}://{self.authority}"

    @property
    def address(self) -> str:
        """``host:port``, always with the port."""
        return f"{bracketed(self.host)}:{self.port}"


def parse(text: str) -> Url:
    """The parts of a URL. Raises BadUrl."""
    if _UNSAFE.search(text):
        raise BadUrl("it holds a space or a control character: write %20 for a space")
    if "\\" in text:
        raise BadUrl("it holds a backslash: write / (or %5C inside a password)")
    match = _PARTS.fullmatch(text)
    if not match or not match[2]:
        raise BadUrl("it does not begin with a scheme and //, like https://")
    scheme, authority, path = match[1].lower(), match[3], match[4]
    userinfo, _, server = authority.rpartition("@")
    _refuse_split_password(scheme, server, text[match.end(3) :])
    username, _, password = userinfo.partition(":")
    pairs = tuple(parse_qsl(match[5] or "", keep_blank_values=True))
    if any("\0" in part for pair in pairs for part in pair) or "%00" in path:
        raise BadUrl("it holds %00, a NUL character, which no server takes")
    is_in_query = not server and scheme.startswith("postgres") and dict(pairs).get("host")
    (host, port), *others = [("", DEFAULT_PORTS[scheme])] if is_in_query else _servers(scheme, server)
    return Url(
        scheme,
        _decoded(username),
        _decoded(password),
        host,
        port,
        path or ("/" if scheme in _WEB else ""),
        match[5] or "",
        pairs,
        match[6] or "",
        tuple(others),
    )


def parse_or_none(text: str) -> Url | None:
    """The parts of a URL; None if it is malformed."""
    try:
        return parse(text)
    except BadUrl:
        return None


def is_public(host: str) -> bool:
    """Whether a host may be reachable from the internet: not loopback, private, a single label or a local-only name."""
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        labels = host.lower().rstrip(".").split(".")
        return len(labels) > 1 and labels[-1] not in _LOCAL and labels[-2:] != ["home", "arpa"]


def is_loopback(host: str) -> bool:
    """Whether a host is the machine itself."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host.lower().rstrip(".").split(".")[-1] == "localhost"
    return address.is_loopback or address.is_unspecified


_LOCAL = ("localhost", "local", "localdomain", "internal", "lan", "intranet", "private", "test", "invalid")


def _refuse_split_password(scheme: str, server: str, rest: str) -> None:
    """An unescaped / ? or # in a password ends the host early, so that the @ follows it."""
    if "@" in rest and (scheme not in _WEB or _PORT_WITH_LETTERS.search(server)):
        raise BadUrl(f"an @ follows a /, ? or #, which ended the host: {_ENCODE}")


def _servers(scheme: str, text: str) -> list[tuple[str, int]]:
    """Host and port of each server; as in postgres.js, the port of the first is the default of the others."""
    first, *others = text.split(",") if scheme.startswith("postgres") else [text]
    host, port = _server(scheme, first)
    return [(host, port), *(_server(scheme, other if ":" in other else f"{other}:{port}") for other in others)]


def _server(scheme: str, server: str) -> tuple[str, int]:
    """Host and port. Raises BadUrl."""
    if server.startswith("["):
        host, bracket, port = server[1:].partition("]")
        if not bracket or port[:1] not in ("", ":"):
            raise BadUrl("a [ without its ]: an IPv6 address is written [2001:db8::1]:5432")
        return _ipv6(host), _port(scheme, port[1:])
    if "," in server:
        raise BadUrl("it names several hosts, which Mistle's clients do not support: write one")
    host, colon, port = server.partition(":")
    if ":" in port:
        raise BadUrl(f"there is more than one : after the user; an IPv6 address needs brackets, and {_ENCODE}")
    return _host(scheme, host), _port(scheme, port if colon else "")


def _port(scheme: str, text: str) -> int:
    if not text:
        return DEFAULT_PORTS.get(scheme, 0)
    if not _PORT.fullmatch(text):
        raise BadUrl(f"the port is not a number; {_ENCODE}")
    digits = text.lstrip("0")
    if not digits or len(digits) > 5 or int(digits) > 65535:
        raise BadUrl("the port is not from 1 to 65535")
    return int(digits)


def _host(scheme: str, text: str) -> str:
    if not text:
        raise BadUrl("it names no host")
    if len(text) > _LONGEST:
        raise BadUrl(f"the host is longer than {_LONGEST} characters, the limit for a name")
    if scheme.startswith("postgres") and text.upper().startswith("%2F"):  # the folder of a Unix socket
        return _decoded(text)
    if scheme not in _WEB:
        return _plain(text)
    return _plain(web_hosts.read(_decoded(text)))


def _plain(host: str) -> str:
    if not _HOST.fullmatch(host):
        raise BadUrl("the host holds a character that no host name has")
    return host


def _ipv6(host: str) -> str:
    try:
        return str(ipaddress.IPv6Address(host if "%" not in host else ""))
    except ValueError:
        raise BadUrl("what stands in brackets is not an IPv6 address (without a zone)") from None


def _decoded(text: str) -> str:
    """``decodeURIComponent``. Raises BadUrl where it throws."""
    if _STRAY_PERCENT.search(text):
        raise BadUrl("a % that two hexadecimal digits do not follow: write %25 for the character itself")
    try:
        decoded = unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise BadUrl("its percent-encoding is not UTF-8") from None
    if "\0" in decoded:
        raise BadUrl("it holds %00, a NUL character, which no server takes")
    return decoded
