"""Serves ASGI applications in the running event loop; one may stand behind a function that refuses requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

if TYPE_CHECKING:
    import socket

    from starlette.responses import Response

_TASKS: set[asyncio.Task[None]] = set()  # asyncio keeps weak references only


@dataclass(frozen=True)
class Guard:
    """An application behind a function that may refuse a request before anything looks at its path.

    None lets it pass.
    """

    app: ASGIApp
    refusal: Callable[[Request], Response | None]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = self.refusal(Request(scope)) if scope["type"] == "http" else None
        await (refused or self.app)(scope, receive, send)


class _Server(uvicorn.Server):
    capture_signals = staticmethod(nullcontext)  # type: ignore[assignment]  # the process has its own


async def serve(app: ASGIApp, listeners: Sequence[socket.socket] = (), path: Path | None = None) -> None:
    """Return when ``app`` answers, on these sockets or on a Unix socket at ``path``. Raises OSError if it cannot."""
    server = _Server(uvicorn.Config(app, log_level="critical", ws="websockets-sansio", uds=str(path) if path else None))
    task = asyncio.create_task(server.serve(sockets=list(listeners) or None))
    _TASKS.add(task)
    while not server.started and not task.done():  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.005)
    if task.done():
        task.result()
