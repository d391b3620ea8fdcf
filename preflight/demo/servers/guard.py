"""Decides about a request before anything looks at its path."""

from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send


@dataclass(frozen=True)
class Guard:
    """An application behind a function that may refuse a request: None lets it pass."""

    app: ASGIApp
    refusal: Callable[[Request], Response | None]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = self.refusal(Request(scope)) if scope["type"] == "http" else None
        await (refused or self.app)(scope, receive, send)
