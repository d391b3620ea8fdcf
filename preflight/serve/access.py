"""Refuses requests before any page answers, and adds the headers that tell a browser what it may do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from preflight.serve.client_token import Token

OPEN = frozenset({"/healthz", "/readyz"})  # their replies are only yes or no
HEADERS = {
    "cache-control": "no-store",
    "connection": "close",  # a connection serves one request: so each has an end
    "content-security-policy": "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "x-robots-tag": "noindex",
}
_PORT = re.compile(r":\d*\Z")
_LOCAL = frozenset({"localhost", "127.0.0.1", "[::1]"})


@dataclass(frozen=True)
class AccessControl:
    """Without a ``token``, the header Host must name loopback, or ``host``, where the server listens: a page of another
    site could otherwise read the report through a name of its own that leads here.
    """

    app: ASGIApp
    token: Token | None
    host: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        app = self._refusal(scope) or self.app
        await app(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        headers = Headers(scope=scope)
        if scope["path"] in OPEN:
            return None
        if self.token:
            return None if self.token.is_shown_in(headers.get("authorization", "")) else _without_token()
        if _PORT.sub("", headers.get("host", "localhost")).lower() not in _LOCAL | {self.host}:
            return PlainTextResponse("this address has another name: http://localhost\n", 421)
        return None


def _without_token() -> PlainTextResponse:
    refusal = PlainTextResponse("a token is needed\n", 401)
    for scheme in ('Basic realm="mistle-preflight", charset="UTF-8"', 'Bearer realm="mistle-preflight"'):
        refusal.headers.append("www-authenticate", scheme)
    return refusal
