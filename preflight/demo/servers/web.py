"""Serves ASGI applications in the running event loop."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import TYPE_CHECKING

import uvicorn

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence
    from pathlib import Path

    from starlette.types import ASGIApp

_TASKS: set[asyncio.Task[None]] = set()  # asyncio keeps weak references only


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
