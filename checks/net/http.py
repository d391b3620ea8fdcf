"""One HTTP request: bounded, unredirected, unproxied, with our own trust; and the rungs below it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar

from checks.core.check import Cause, Diagnosed, Layer, Status
from checks.core.limits import MAX_CHUNKS
from checks.core.text import clean, foreign
from checks.net.network_errors import NoSuchName
from checks.net.tcp import NetworkCheck, reach, resolve
from checks.net.tls import PlaintextProbe, check_tls, first_bytes, speaks_tls
from checks.net.tls_errors import TlsOnPlaintext

if TYPE_CHECKING:
    from httpx import Response

    from checks.core.recorder import Recorder

IMPORTS = ("httpx", "httpcore", "anyio.abc", "anyio.streams.tls")  # httpx loads the others with its first request
REPLY_READERS = ("httpx", "httpcore", "h11", "anyio", "checks.net.http")
_CUT = re.compile("disconnected|peer closed")  # httpx' words for an answer that does not come, or not to its end
_LIMIT = 256 * 1024  # bytes of a body: no answer that a check reads is larger
HTTP = PlaintextProbe(b"GET / HTTP/1.0\r\n\r\n", (b"HTTP/",))


class NotHttp(Exception):
    """The answer is not HTTP."""


class NotJson(Exception):
    """The body is not JSON, or too large."""


class UnexpectedReply(Diagnosed):
    """An answer that is not what the service in question would give; ``cause`` says what that means."""

    def __init__(self, cause: Cause, words: str, status: Status | None = None) -> None:
        super().__init__(cause.diagnosis(words, status=status))
        self.cause = cause


@dataclass(frozen=True)
class Endpoint:
    """Where a URL leads. ``path`` holds the query too."""

    scheme: str
    host: str
    port: int
    path: str = field(default="/", repr=False)

    @property
    def tls(self) -> bool:
        """Whether the scheme asks for it."""
        return self.scheme in {"https", "wss"}

    @property
    def address(self) -> str:
        """host:port."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.address}{self.path}"

    @property
    def shown(self) -> str:
        """The URL without its query, which may hold a secret."""
        return str(self).partition("?")[0]

    def at(self, path: str) -> Endpoint:
        """Another path at the same place: below this one's where that is not the root."""
        return Endpoint(self.scheme, self.host, self.port, self.path.rstrip("/") + path)


@dataclass(frozen=True)
class Reply:
    """A status, its headers (names in lower case) and as much of the body as a check may read."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    def json(self) -> object:
        """The body. Raises NotJson."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise NotJson(f"{self.status} {self.headers.get('content-type', 'without a content type')}") from None

    @property
    def summary(self) -> str:
        """Status, content type and server: what tells one answerer from another."""
        kind = self.headers.get("content-type", "").partition(";")[0]
        server = self.headers.get("server", "")
        return foreign(f"{self.status} {kind}{server and f' ({server})'}".rstrip(), 120)

    @property
    def is_redirect(self) -> bool:
        """Whether it names another address."""
        return 300 <= self.status < 400 and "location" in self.headers

    @property
    def location(self) -> str:
        """The address that a redirect names, without its query, which may hold what was asked."""
        return clean(self.headers.get("location", "").partition("?")[0], 120)

    @property
    def is_html(self) -> bool:
        """Whether a page for people came back."""
        return "html" in self.headers.get("content-type", "") or self.body[:64].lstrip().lower().startswith(
            b"<!doctype"
        )


@dataclass(frozen=True, kw_only=True)
class EndpointCheck(NetworkCheck):
    """A check of something at a URL: the network's rungs, and what is ``above`` them."""

    above: ClassVar[tuple[Layer, ...]]
    endpoint: Endpoint

    @property
    def target(self) -> str:
        """The URL, without its query."""
        return self.endpoint.shown

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The tls rung is there where the scheme asks for it."""
        tls = (Layer.TLS,) if self.endpoint.tls else ()
        return (Layer.DNS, Layer.CONNECT, *tls, *self.above)


async def reach_endpoint(record: Recorder, endpoint: Endpoint, fields: tuple[str, ...] = ("url",)) -> str:
    """The dns, connect and, for https and wss, tls rungs. Returns an address that accepts."""
    address = await reach(record, endpoint.host, endpoint.port, fields)
    if endpoint.tls:
        await check_tls(record, endpoint.host, (address, endpoint.port), fields=fields, plaintext=HTTP)
    return address


async def resolve_only(record: Recorder, endpoint: Endpoint, reason: str, fields: tuple[str, ...] = ("url",)) -> None:
    """The dns rung alone, which proves nothing of the field; the others are skipped for ``reason``.

    A name that is still missing is a warning: on many platforms it comes with the service.
    """
    with record.layer(Layer.DNS, f"{endpoint.host} resolves"):
        try:
            await resolve(endpoint.host, endpoint.port)
        except (OSError, NoSuchName) as error:
            if found := record.check.diagnose(error):
                record.note(replace(found, status=min(found.status, Status.WARN)))
    for layer in record.check.layers[1:]:
        record.skip(layer, reason, fields)


async def request(
    record: Recorder,
    method: str,
    endpoint: Endpoint,
    *,
    headers: Mapping[str, str] | None = None,
    content: bytes | None = None,
) -> Reply:
    """Send one request, within half of what is left of the check's time, and half of the rest to see who else it is.

    Raises NotHttp, TlsOnPlaintext, ConnectionResetError, TimeoutError, UnicodeEncodeError where no header can hold a
    value, and httpx' errors, which have the system's among their causes.
    """
    import httpx

    limit = record.share_of_time(0.5)
    try:
        async with asyncio.timeout(limit):
            reply = await _exchange(record, method, endpoint, headers or {}, content, limit)
    except (TimeoutError, httpx.ConnectTimeout) as error:
        await refuse_others(record, endpoint, error)
        raise
    except (httpx.RemoteProtocolError, httpx.ReadError) as error:
        await refuse_tls(record, endpoint, error)
        if isinstance(error, httpx.RemoteProtocolError) and not _CUT.search(str(error)):
            raise NotHttp("the answer is not HTTP") from error
        raise ConnectionResetError("closed without an answer") from error
    if reply.status == 400 and not reply.body.lstrip().startswith(b"{"):
        await refuse_tls(record, endpoint)
    return reply


async def _exchange(  # noqa: PLR0913, PLR0917 - a request, and its limit
    record: Recorder, method: str, endpoint: Endpoint, headers: Mapping[str, str], content: bytes | None, limit: float
) -> Reply:
    import httpx

    own = {"user-agent": "mistle-preflight", "accept": "*/*", "accept-encoding": "identity"}
    sent = httpx.Headers(own | dict(headers), encoding="latin-1")  # as Node.js writes them
    trust = record.settings.trust.web if endpoint.tls else False
    # httpcore leaves a connection open that is cancelled in its handshake, and not one that is late in it.
    extensions = {"timeout": {"connect": 0.9 * limit}}
    asked = httpx.Request(method, str(endpoint), headers=sent, content=content, extensions=extensions)
    async with (
        httpx.AsyncHTTPTransport(verify=trust, trust_env=False) as transport,
        aclosing(await transport.handle_async_request(asked)) as response,
    ):
        return Reply(response.status_code, dict(response.headers), await _beginning(response))


async def _beginning(response: Response) -> bytes:
    """As much of the body as a check may read."""
    body, pieces = b"", 0
    async for piece in response.aiter_raw():
        body, pieces = body + piece, pieces + 1
        if len(body) > _LIMIT or pieces > MAX_CHUNKS:
            break
    return body[:_LIMIT]


async def refuse_others(record: Recorder, endpoint: Endpoint, error: Exception) -> None:
    """After no whole answer in time: raise NotHttp, from ``error``, where what is said is not how HTTP begins."""
    tls = endpoint.host if endpoint.tls else ""
    heard = await first_bytes((endpoint.host, endpoint.port), HTTP.request, record.share_of_time(0.5), tls=tls)
    if not HTTP.matches(heard):
        raise NotHttp("the answer is not HTTP") from error


async def refuse_tls(record: Recorder, endpoint: Endpoint, error: Exception | None = None) -> None:
    """After an odd answer to plaintext: raise TlsOnPlaintext, from ``error``, where the server speaks TLS."""
    if not endpoint.tls and await speaks_tls((endpoint.host, endpoint.port), record.share_of_time(0.5)):
        raise TlsOnPlaintext(f"{endpoint.address} uses TLS") from error
