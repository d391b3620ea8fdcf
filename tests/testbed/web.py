"""ASGI applications of tests/servers/, run by uvicorn in a thread."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import trustme
import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.testbed.certificates import Leaf

LOOPBACK = "127.0.0.1"


@dataclass
class Request:
    method: str
    target: str
    """The path, and the query if there is one."""
    headers: dict[str, str]
    body: bytes = b""


@dataclass(frozen=True)
class Web:
    """A running application, and all requests that it received."""

    port: int
    scheme: str
    host: str
    requests: list[Request] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"


@contextmanager
def web_server(app: ASGIApp, certificate: Leaf | None = None, host: str = LOOPBACK, port: int = 0) -> Iterator[Web]:
    """
    `app` on a port of its own; an application that does not start leaves the port closed.

    For a fixed port, such as 443, root may use one of the many addresses of loopback.
    """
    keys = trustme.Blob(certificate.key + certificate.chain).tempfile() if certificate else nullcontext()
    with socket.socket() as listener, keys as path:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        web = Web(listener.getsockname()[1], "https" if certificate else "http", host)
        recorded = _Recorded(app, web.requests)
        options: dict[str, Any] = {"ssl_certfile": path} if path else {}
        options |= {"log_level": "critical", "ws": "websockets-sansio", "timeout_graceful_shutdown": 1}
        server = _Server(uvicorn.Config(recorded, **options))
        thread = threading.Thread(target=_run, args=(server, listener), daemon=True)
        thread.start()
        while not server.started and thread.is_alive():
            time.sleep(0.005)
        try:
            yield web
        finally:
            server.end()
            thread.join()


class _Server(uvicorn.Server):
    """A server that ends at once; uvicorn only checks from time to time whether it should end."""

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        await super().serve(sockets)

    async def main_loop(self) -> None:
        await self.on_tick(0)  # makes the headers
        await self._ended.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close all connections: clients keep them open, and may never reply to the end of TLS."""
        for listener in sockets or []:
            self._loop.remove_reader(listener)
        for _ in range(10):  # asyncio does not close a connection that it accepts while its server closes
            await asyncio.sleep(0)
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await super().shutdown(sockets)

    def end(self) -> None:
        self.should_exit = True
        if self.started:
            self._loop.call_soon_threadsafe(self._ended.set)


def _run(server: uvicorn.Server, listener: socket.socket) -> None:
    try:
        server.run(sockets=[listener])
    except SystemExit:
        """The application did not start; the port stays closed."""


@dataclass(frozen=True)
class _Recorded:
    app: ASGIApp
    requests: list[Request]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        headers = {name.decode().lower(): value.decode("latin-1") for name, value in scope["headers"]}
        query = scope["query_string"].decode()
        request = Request(scope.get("method", "GET"), scope["path"] + (f"?{query}" if query else ""), headers)
        self.requests.append(request)

        async def remember() -> Message:
            message = await receive()
            request.body += message.get("body") or message.get("bytes") or b""
            return message

        await self.app(scope, remember, send)
