"""How boto3 sends requests here: no proxy, no redirect, no retry, and replies of bounded size."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import nullcontext, suppress
from functools import cache
from io import BytesIO
from ssl import SSLContext
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4

from checks.core.limits import BoundedResponse
from checks.core.loop import waits
from checks.core.loop.sockets import noted
from checks.core.loop.threads import resolve
from checks.net.http import Reply
from checks.net.proxies import raise_if_certificate_is_required, raise_if_proxys
from checks.object_store.responses import StoreError

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

MAX_BODY = 16 * 1024  # bytes of a reply: none that is needed here is larger, and memory has room for the square of it


class Connections:
    """Connection pools that verify with ``trusted``; replies of bounded size, no proxy, no redirect, no retry."""

    def __init__(
        self,
        trusted: SSLContext,
        limits: tuple[float, float],
        dead: Collection[str] = (),
        on_reply: Callable[[float], object] = lambda _: None,
    ) -> None:
        """The ``limits``, in seconds: to connect, and for each read. ``dead`` addresses of a host come last;
        ``on_reply`` gets the time (monotonic) of each request that has a reply.
        """
        import urllib3

        self._dead, self._on_reply = dead, on_reply
        self.pools = urllib3.PoolManager(
            ssl_context=trusted,
            cert_reqs="CERT_REQUIRED",
            timeout=urllib3.Timeout(connect=limits[0], read=limits[1]),
            maxsize=8,  # as many as may be busy at once
            retries=False,
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        )
        self.pools.pool_classes_by_scheme = _bounded()

    def send(self, request: Any, **_: object) -> Any:
        """A ``before-send`` handler that sends the request in place of botocore, which reads replies of any size, and
        tries each dead address until its time-out. Raises urllib3's errors.
        """
        from botocore.awsrequest import AWSResponse

        started = time.monotonic()
        with waits.one_wait() if request.url.startswith("https:") else nullcontext():  # else its socket notes them
            response = _exchange(self.pools, request, self._dead)
        self._on_reply(started)
        body = b"".join(_parts(response))
        if len(body) >= MAX_BODY:
            response.close()
        _raise_if_proxys(request, response, body)
        reply = AWSResponse(
            request.url, response.status, response.headers, _Body(b"" if _declares_types(body) else body)
        )
        reply.reason = _text_of(response.reason)
        return reply


@cache
def _bounded() -> dict[str, Any]:
    """urllib3's pools by scheme, with bounded replies."""
    from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
    from urllib3.connection import HTTPConnection, HTTPSConnection

    class Noting(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            begun = time.monotonic()
            return noted(super()._new_conn(), begun)

    kinds = {"http": (HTTPConnectionPool, Noting), "https": (HTTPSConnectionPool, HTTPSConnection)}
    options = {"response_class": BoundedResponse}
    return {
        scheme: type("Pool", (pool,), {"ConnectionCls": type("Connection", (connection,), options)})
        for scheme, (pool, connection) in kinds.items()
    }


def _exchange(pools: PoolManager, request: Any, dead: Collection[str]) -> BaseHTTPResponse:
    """The reply of the first address that accepts the connection."""
    from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

    url = urlsplit(request.url)
    headers = {name: value for name, value in request.headers.items() if name != "Expect"}  # for large bodies only
    host, port = str(url.hostname), url.port or (443 if url.scheme == "https" else 80)
    *others, last = (entry[4][0] for entry in resolve(host, port, dead, type=socket.SOCK_STREAM))

    def ask(address: str) -> BaseHTTPResponse:
        pool = pools.connection_from_host(address, port, url.scheme, {"server_hostname": host})
        return pool.urlopen(
            request.method,
            request.url.partition(url.netloc)[2],
            request.body,
            {**headers, "Host": url.netloc},
            redirect=False,
            assert_same_host=False,
            preload_content=False,
            decode_content=False,
        )

    for address in others:
        with suppress(NewConnectionError, ConnectTimeoutError):
            return ask(address)
    return ask(last)


def _raise_if_proxys(request: Any, response: BaseHTTPResponse, body: bytes) -> None:
    """Raise FromProxy for a reply that no store sends: they are in XML, or have no body."""
    reply = Reply(response.status, {name.lower(): value for name, value in response.headers.items()}, body)
    if request.url.startswith("https:"):
        raise_if_certificate_is_required(reply)
    is_xml = "xml" in reply.headers.get("content-type", "") or b"<Error" in body[:1024]
    if request.method != "HEAD" and not is_xml:
        raise_if_proxys(reply, f"{request.method} of an object")


def _parts(response: BaseHTTPResponse) -> Iterator[bytes]:
    """The body, up to MAX_BODY. A body that breaks off raises an error only at the next read."""
    left = MAX_BODY
    while left > 0 and (part := response.read(left)):
        left -= len(part)
        yield part


def _declares_types(body: bytes) -> bool:
    """Whether it is XML with a DOCTYPE, in any encoding: its entities can expand to gigabytes, and S3 sends none."""
    from xml.parsers.expat import ExpatError, ParserCreate

    def stop(*_: object) -> None:
        raise ValueError("a DOCTYPE")

    parser = ParserCreate()
    parser.StartDoctypeDeclHandler = stop
    try:
        parser.Parse(body, True)
    except ExpatError:  # not XML, which is no error: an object's bytes
        return False
    except (ValueError, LookupError):  # also for an unknown encoding
        return True
    return False


def as_javascript(path: str) -> Callable[..., None]:
    """A ``before-sign`` handler: the SDK for JavaScript signs more than boto3, and all of it must reach the store.
    ``path`` comes before that of each request.
    """

    def prepare(request: Any, operation_name: str, **_: object) -> None:
        from botocore.utils import determine_content_length

        if length := determine_content_length(request.data):
            request.headers["content-length"] = str(length)
        request.headers["x-amz-user-agent"] = "aws-sdk-js/3"
        request.headers["amz-sdk-invocation-id"] = str(uuid4())
        request.headers["amz-sdk-request"] = "attempt=1; max=1"
        url = urlsplit(request.url)
        operation = "" if operation_name.startswith("Head") else f"x-id={operation_name}"
        query = "&".join(filter(None, (url.query, operation)))
        request.url = url._replace(path=path + url.path, query=query).geturl()

    return prepare


def raise_refusal(response: Any, operation: Any, **_: object) -> None:
    """Raise StoreError for a reply that is no success: botocore would follow a store to another region in silence."""
    if response and response[0].status_code >= 300:
        raise StoreError(operation.name, response[1], getattr(response[0], "reason", ""))


def _text_of(reason: str | None) -> str:
    """A status line's reason, which http.client decodes as Latin-1, and which may be in UTF-8."""
    try:
        return (reason or "").encode("latin-1").decode()
    except UnicodeError:
        return reason or ""


class _Body(BytesIO):
    """A body with the interface of urllib3's."""

    def stream(self, **_: object) -> Iterator[bytes]:
        yield self.read()
