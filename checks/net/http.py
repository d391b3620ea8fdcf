"""One HTTP request: bounded, without redirects or proxies, with Mistle's trusted roots."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from checks.core import clock_skew
from checks.core.finding import Cause, Diagnosed, Status
from checks.core.limits import MAX_CHUNKS
from checks.core.recorder import Recorder
from checks.core.text import clean, foreign
from checks.net.endpoint import HTTP, Endpoint
from checks.net.proxies import Http2Only, NotJson, raise_if_certificate_is_required
from checks.net.tls import first_bytes, uses_tls
from checks.net.tls_errors import TlsOnPlaintext

if TYPE_CHECKING:
    from httpx import Response


T = TypeVar("T")
IMPORTS = ("httpx", "httpcore", "anyio.abc", "anyio.streams.tls")  # httpx loads the others with its first request
REPLY_READERS = ("httpx", "httpcore", "h11", "anyio", "checks.net.http")
_CLOSED = re.compile("disconnected|peer closed")  # httpx' errors for a reply that is missing or incomplete
_LIMIT = 256 * 1024  # bytes of a response body: no reply that a check needs is larger
_SETTINGS_FRAME = b"\x04"  # the type of the frame with which every HTTP/2 server begins: RFC 9113, 3.4
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5)


class NotHttp(Exception):
    """The reply is not HTTP."""


class UnexpectedReply(Diagnosed):
    """A reply that the service never sends; ``cause`` is the cause of its diagnosis."""

    def __init__(self, cause: Cause, message: str, status: Status | None = None) -> None:
        super().__init__(cause.diagnosis(message, status=status))
        self.cause = cause


@dataclass(frozen=True)
class Reply:
    """A status, the headers (names in lower case), at most _LIMIT bytes of the response body, and its time."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    seconds: float = 0.0  # from the request to the end of the reply

    def json(self) -> object:
        """The parsed response body. Raises NotJson."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise NotJson(f"{self.status} {self.headers.get('content-type', 'without a content type')}") from None

    @property
    def object(self) -> Mapping[str, object]:
        """The JSON object of the response body; empty if it is not one."""
        try:
            body = self.json()
        except NotJson:
            return {}
        return body if isinstance(body, dict) else {}

    @property
    def summary(self) -> str:
        """Status, content type and server: they identify what replied."""
        kind = self.headers.get("content-type", "").partition(";")[0]
        server = self.headers.get("server", "")
        return foreign(f"{self.status} {kind}{server and f' ({server})'}".rstrip(), 120)

    @property
    def is_redirect(self) -> bool:
        """Whether it redirects to another URL."""
        return 300 <= self.status < 400 and "location" in self.headers

    @property
    def location(self) -> str:
        """The URL of a redirect without its query, which may repeat the request's."""
        return clean(self.headers.get("location", "").partition("?")[0], 120)

    @property
    def is_html(self) -> bool:
        """Whether the response body is a web page."""
        return "html" in self.headers.get("content-type", "") or self.body[:64].lstrip().lower().startswith(
            b"<!doctype"
        )


async def request(  # noqa: PLR0913 - a request and its limit
    record: Recorder,
    method: str,
    endpoint: Endpoint,
    *,
    headers: Mapping[str, str] | None = None,
    content: bytes | None = None,
    max_bytes: int = _LIMIT,
) -> Reply:
    """Send one request, within most of the remaining time; after a failure, half of the rest identifies the server.
    At most ``max_bytes`` of the response body are read.

    Raises NotHttp, TlsOnPlaintext, FromProxy, ConnectionResetError, TimeoutError, UnicodeEncodeError if a header
    cannot hold a value, and httpx' errors, which have the system's errors among their causes.
    """
    import httpx

    limit, started = record.share_of_time(0.7), time.monotonic()
    try:
        async with asyncio.timeout(limit):
            reply = await _exchange(record, method, endpoint, headers or {}, content, limit, max_bytes)
    except (TimeoutError, httpx.ConnectTimeout) as error:
        await raise_if_not_http(record, endpoint, error)
        raise
    except (httpx.RemoteProtocolError, httpx.ReadError) as error:
        await raise_if_tls(record, endpoint, error)
        await raise_if_http2(record, endpoint, error)
        if isinstance(error, httpx.RemoteProtocolError) and not _CLOSED.search(str(error)):
            raise NotHttp("the reply is not HTTP") from error
        raise ConnectionResetError("closed without a reply") from error
    reply = replace(reply, seconds=record.replied(started))
    record.facts |= clock_skew.skew_fact(reply.headers.get("date", ""))
    if endpoint.tls:
        raise_if_certificate_is_required(reply)
    if reply.status == 400 and not reply.body.lstrip().startswith(b"{"):
        await raise_if_tls(record, endpoint)
    return reply


async def together(*requests: Awaitable[T]) -> list[T]:
    """The replies to requests that are sent at once. Raises the first error, after all of them have ended."""
    return [_reply(outcome) for outcome in await asyncio.gather(*requests, return_exceptions=True)]


def _reply(outcome: T | BaseException) -> T:
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


async def _exchange(  # noqa: PLR0913, PLR0917 - a request and its limit
    record: Recorder,
    method: str,
    endpoint: Endpoint,
    headers: Mapping[str, str],
    content: bytes | None,
    limit: float,
    max_bytes: int,
) -> Reply:
    import httpx

    defaults = {"user-agent": "mistle-preflight", "accept": "*/*", "accept-encoding": "identity"}
    sent = httpx.Headers(defaults | dict(headers), encoding="latin-1")  # as Node.js writes them
    trust = record.settings.trust.web if endpoint.tls else False
    # httpcore does not close a connection that is cancelled in its handshake; it does close one that times out in it.
    # Node.js verifies a name without the dot at its end; OpenSSL does not.
    extensions = {"timeout": {"connect": 0.9 * limit}, "sni_hostname": endpoint.host.rstrip(".")}
    message = httpx.Request(method, str(endpoint), headers=sent, content=content, extensions=extensions)
    async with (
        httpx.AsyncHTTPTransport(verify=trust, trust_env=False) as transport,
        aclosing(await transport.handle_async_request(message)) as response,
    ):
        return Reply(response.status_code, dict(response.headers), await _body(response, max_bytes))


async def _body(response: Response, max_bytes: int) -> bytes:
    body, chunks = bytearray(), 0
    async for chunk in response.aiter_raw():
        body += chunk
        chunks += 1
        if len(body) > max_bytes or chunks > MAX_CHUNKS:
            break
    return bytes(body[:max_bytes])


async def raise_if_not_http(record: Recorder, endpoint: Endpoint, error: Exception) -> None:
    """After a time-out: raise NotHttp from ``error`` if the server sends bytes that do not begin an HTTP reply."""
    tls, started = endpoint.host if endpoint.tls else "", time.monotonic()
    received = await first_bytes((endpoint.host, endpoint.port), HTTP.request, record.share_of_time(0.5), tls=tls)
    if not HTTP.matches(received):
        await raise_if_http2(record, endpoint, error)
        raise NotHttp("the reply is not HTTP") from error
    if received:
        record.replied(started)


async def raise_if_http2(record: Recorder, endpoint: Endpoint, error: Exception) -> None:
    """After a reply that is not HTTP/1.1: raise Http2Only from ``error`` if the server speaks HTTP/2 without TLS."""
    if endpoint.tls:
        return
    address = (endpoint.host, endpoint.port)
    received = await first_bytes(address, _PREFACE, record.share_of_time(0.5), minimum=9)
    if received[3:4] == _SETTINGS_FRAME:
        raise Http2Only from error


async def raise_if_tls(record: Recorder, endpoint: Endpoint, error: Exception | None = None) -> None:
    """After a failed or odd reply to plaintext: raise TlsOnPlaintext from ``error`` if the server uses TLS."""
    if not endpoint.tls and await uses_tls((endpoint.host, endpoint.port), record.share_of_time(0.5)):
        raise TlsOnPlaintext(f"{endpoint.address} uses TLS") from error
