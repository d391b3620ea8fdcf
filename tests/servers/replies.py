"""Applications that send a test's own replies, to all requests or in front of another application."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from preflight.demo.servers.web import Guard


def replying(reply: Response) -> ASGIApp:
    """The same reply to every request."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await reply(scope, receive, send)

    return app


def before(app: ASGIApp, replies: Mapping[str, ASGIApp]) -> ASGIApp:
    """A proxy that replies itself to the requests whose paths begin so."""

    def own(request: Request) -> Any:
        return next((reply for path, reply in replies.items() if request.url.path.startswith(path)), None)

    return Guard(app, own)
