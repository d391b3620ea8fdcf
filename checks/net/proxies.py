"""What a proxy in front replies in a service's name: the causes ``proxy.*``, and a port that speaks only HTTP/2."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Protocol
from urllib.parse import SplitResult, urlsplit

from checks.core.finding import Cause, Diagnosis, Layer, Status, causes_in, permanent, temporary
from checks.core.text import clean, foreign
from checks.net import tls_errors

LOGIN_REQUIRED = permanent(
    "proxy.login-required",
    Layer.AUTH,
    "a proxy in front asks for a login of its own (basic authentication, single sign-on), which Mistle does not send",
    "let Mistle's requests to {blamed} pass the proxy in front without its login, or name the server itself there",
    former=(
        *("http.not-mistle", "http.redirects", "http.is-dashboard", "http.token-rejected"),
        *("tunnel.not-gateway", "tunnel.redirects", "otlp.not-otlp", "object-store.not-s3"),
        *("e2b.unexpected-reply", "archil.unexpected-reply", "google.unexpected-reply"),
    ),
)
REFUSED = permanent(
    "proxy.refused",
    Layer.AUTH,
    "a proxy or a firewall in front refuses the request (403), and not the server itself",
    "allow Mistle's requests from here (address, path, method) at the proxy or web application firewall in front of "
    "{blamed}, or name the server itself there",
    former=(
        *("http.not-mistle", "http.token-rejected", "tunnel.not-gateway", "tunnel.token-rejected"),
        *("object-store.not-s3", "e2b.unexpected-reply", "archil.unexpected-reply", "google.unexpected-reply"),
    ),
)
RATE_LIMITED = temporary(
    "proxy.rate-limited",
    Layer.AUTH,
    "a proxy in front replies that there are too many requests (429), so nothing is proven",
    "run this again later; if it stays, raise the limit at the proxy in front of {blamed}: "
    "Mistle's services send more requests than this check does",
    status=Status.WARN,
    former=("http.not-mistle", "http.internal-blocked", "tunnel.not-gateway", "object-store.not-s3"),
)
HTTP2_ONLY = permanent(
    "network.http2-only",
    Layer.CONNECT,
    "the port speaks HTTP/2 without TLS only (h2c, gRPC), and Mistle's clients speak HTTP/1.1",
    "name in {blamed} the port on which the server speaks HTTP/1.1, or let the proxy in front accept it",
    former=("http.not-mistle", "tunnel.not-gateway", "object-store.not-s3", "network.reset"),
)
CAUSES = causes_in(globals())

_LOGIN_PAGES = re.compile(
    r"log-?[io]n\b|sign[-_]?in|\bsso\b|saml|oauth|oidc|openid|\bauth\b|authorize|\bidp?\b|accounts?\.|"
    r"cdn-cgi/access|/realms/",
    re.IGNORECASE,
)
_PASSWORD_FIELD = re.compile(rb"""<input[^>]{1,400}type=["']?password""", re.IGNORECASE)
_NO_CERTIFICATE = re.compile(
    rb"no required (ssl|tls|client) certificate|(ssl|client) certificate (is )?(required|error)", re.IGNORECASE
)
_PROXIES = re.compile(
    r"nginx|openresty|envoy|cloudflare|cloudfront|haproxy|caddy|traefik|awselb|varnish|apache|google|akamai|kong|squid|"
    r"litespeed|iis|zscaler|bluecoat",
    re.IGNORECASE,
)


class HttpReply(Protocol):
    """What these rules read of a reply: http.Reply, whose module imports this one."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def body(self) -> bytes: ...

    def json(self) -> object: ...


class NotJson(Exception):
    """The response body is not JSON, or is too large."""


class FromProxy(Exception):
    """A reply of a proxy in front, in a service's name."""

    def __init__(self, diagnosis: Diagnosis) -> None:
        super().__init__(diagnosis.message)
        self.diagnosis = diagnosis


class Http2Only(FromProxy):
    """The port speaks HTTP/2 only."""

    def __init__(self) -> None:
        super().__init__(HTTP2_ONLY.diagnosis("the port speaks HTTP/2 and not HTTP/1.1"))


def raise_if_certificate_is_required(reply: HttpReply) -> None:
    """Raise FromProxy if the reply refuses the client because it sent no certificate in the handshake."""
    if 400 <= reply.status < 500 and _NO_CERTIFICATE.search(reply.body[:4096]):
        message = f"the reply is {reply.status}: {foreign(_text_of(reply.body), 120)}"
        raise FromProxy(tls_errors.CLIENT_CERTIFICATE.diagnosis(message))


def raise_if_proxys(reply: HttpReply, request: str, status: Status | None = None) -> None:
    """Raise FromProxy if it is a login, a refusal or a rate limit of a proxy; the caller has ruled out the service.

    ``request`` is its description; ``status`` replaces that of a login.
    """
    if cause := _cause(reply):
        message = f"{request} is answered {_shown(reply)}"
        raise FromProxy(cause.diagnosis(message, status=status if cause is LOGIN_REQUIRED else None))


def json_or_proxys(reply: HttpReply, request: str) -> object:
    """The JSON of a reply. Raises FromProxy if a proxy sent it, else NotJson."""
    try:
        return reply.json()
    except NotJson:
        raise_if_proxys(reply, request)
        raise


def proxy_of(reply: HttpReply) -> str:
    """The proxy that the reply came through, as its headers name it; "" if they name none."""
    named = reply.headers.get("server", "")
    if _PROXIES.search(named):
        return clean(named, 60)
    return "a proxy" if "via" in reply.headers else ""


def is_login_page(location: str) -> bool:
    """Whether a redirect leads to a page at which people log in."""
    target = _split(location)
    return bool(_LOGIN_PAGES.search(f"{target.netloc}{target.path}"))


def is_moved(location: str, path: str) -> bool:
    """Whether a redirect leads to the same path at another address, as it does after a move or from http to https."""
    return _split(location).path.rstrip("/") == path.partition("?")[0].rstrip("/")


def _cause(reply: HttpReply) -> Cause | None:
    match reply.status:
        case 401 | 407:
            return LOGIN_REQUIRED
        case 403 if reply.body or proxy_of(reply):  # without either, it may be the server itself
            return REFUSED
        case 429:
            return RATE_LIMITED
        case 200 if _PASSWORD_FIELD.search(reply.body[:65536]):
            return LOGIN_REQUIRED
        case status if 300 <= status < 400 and is_login_page(reply.headers.get("location", "")):
            return LOGIN_REQUIRED
    return None


def _shown(reply: HttpReply) -> str:
    parts = [str(reply.status), reply.headers.get("content-type", "").partition(";")[0]]
    if scheme := reply.headers.get("www-authenticate", "").partition(" ")[0]:
        parts.append(f"that asks for {scheme}")
    if location := reply.headers.get("location", "").partition("?")[0]:
        parts.append(f"a redirect to {location}")
    if reply.status == 200:
        parts.append("with a field for a password")
    if wait := reply.headers.get("retry-after"):
        parts.append(f"retry after {wait}")
    by = f", by {proxy}" if (proxy := proxy_of(reply)) else ""
    return foreign(", ".join(filter(None, parts)) + by, 200)


def _split(location: str) -> SplitResult:
    try:
        return urlsplit(location)
    except ValueError:  # no address at all
        return SplitResult("", "", "", "", "")


def _text_of(body: bytes) -> str:
    """The text of a short page, without its tags."""
    return " ".join(re.sub(rb"<[^>]{0,200}>", b" ", body[:4096]).decode(errors="replace").split())
