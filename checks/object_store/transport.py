"""How boto3 sends here: no proxy, no redirect, no second try, and answers of bounded size."""

from __future__ import annotations

import socket
from io import BytesIO
from typing import TYPE_CHECKING, Any

from checks.bounds import BoundedResponse
from checks.object_store.answers import Refused, Unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LARGEST = 256 * 1024  # bytes of an answer: none that is read here is larger


def sender(trusted: str, limits: tuple[float, float]) -> Callable[..., Any]:
    """What answers ``before-send`` in the place of botocore, which would read a refusal to its end, if it had one.

    ``trusted`` is a file of certificates; the ``limits``, in seconds, hold for a connection and for each read.
    """
    from botocore.awsrequest import AWSHTTPConnection, AWSHTTPSConnection, AWSResponse
    from botocore.httpsession import URLLib3Session

    AWSHTTPConnection.response_class = AWSHTTPSConnection.response_class = BoundedResponse
    at_once = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
    session = URLLib3Session(verify=trusted, proxies={}, timeout=limits, socket_options=at_once)

    def send(request: Any, **_: object) -> Any:
        request.stream_output = True  # the body is left to us
        request.headers.pop("Expect", None)  # the JavaScript SDK sends it for large bodies only
        response = session.send(request)
        body = response.raw.read(LARGEST)
        if len(body) == LARGEST:
            response.raw.close()
        if b"<!ENTITY" in body.replace(b"\0", b""):  # in UTF-16 as well: a little XML can mean a lot of it
            raise Unreadable(request.method)
        return AWSResponse(response.url, response.status_code, response.headers, _Body(body))

    return send


def refuse(response: Any, operation: Any, **_: object) -> None:
    """Raise Refused for what is no success: botocore would follow a store to another region, and tell nobody."""
    if response and response[0].status_code >= 300:
        raise Refused(operation.name, response[1])


class _Body(BytesIO):
    """A body as urllib3 hands it over."""

    def stream(self, **_: object) -> Iterator[bytes]:
        yield self.read()
