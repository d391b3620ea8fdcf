"""The socket of the server, and the time limits of its connections."""

from __future__ import annotations

import ipaddress
import socket
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from checks.core.text import bracketed

if TYPE_CHECKING:
    import asyncio

    from starlette.types import ASGIApp

    from preflight.serve.client_token import Token

_REQUEST = 5.0  # seconds until a request has come
_WHOLE = 30.0  # seconds until the client has read the reply
_CONNECTIONS = 128  # at once
_HEADERS = 16 << 10  # bytes


class ListenError(Exception):
    """The server cannot listen there; the message is one line."""


@dataclass(frozen=True)
class Address:
    """Where the server listens. ``host`` is an address, not a name."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it."""
        return ipaddress.ip_address(self.host).is_loopback

    @property
    def shown(self) -> str:
        """The host as in a URL."""
        return bracketed(self.host)


@dataclass(frozen=True)
class ServerSocket:
    """A socket that listens, and the token that clients must send."""

    where: Address
    token: Token | None
    listener: socket.socket

    @property
    def host(self) -> str:
        """The host as in a URL."""
        return self.where.shown

    @property
    def url(self) -> str:
        """The URL, with the port that the system chose if it was asked to."""
        return f"http://{self.host}:{self.listener.getsockname()[1]}/"


def parse_address(text: str) -> Address:
    """``HOST:PORT``. Raises ListenError."""
    host, _, port = text.rpartition(":")
    host = "127.0.0.1" if host == "localhost" else host.removeprefix("[").removesuffix("]")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise ListenError(f"--listen: {text!r} is not an address and a port, as in 127.0.0.1:9470") from None
    if not port.isdecimal() or not port.isascii() or int(port) > 65_535:
        raise ListenError(f"--listen: {text!r} has no port from 0 to 65535")
    return Address(host, int(port))


def listener(where: Address) -> socket.socket:
    """A socket that listens there. Raises ListenError."""
    family = socket.AF_INET6 if ":" in where.host else socket.AF_INET
    try:
        return socket.create_server((where.host, where.port), family=family)
    except OSError as error:
        raise ListenError(f"--listen: {where.shown}:{where.port}: {error.strerror or error}") from error


class Bounded(H11Protocol):
    """A connection with time limits: its client may be slow, or never send or read anything."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._limits = [
            self.loop.call_later(_REQUEST, self._expect_request),
            self.loop.call_later(_WHOLE, transport.abort),
        ]
        if len(self.connections) > _CONNECTIONS:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        for limit in self._limits:
            limit.cancel()
        super().connection_lost(exc)

    def _expect_request(self) -> None:
        if self.cycle is None:
            self.transport.abort()


class Server(uvicorn.Server):
    """A server that leaves signals to the command."""

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        return nullcontext()


def server(app: ASGIApp) -> Server:
    """A server that ends a fifth of a second after ``should_exit`` was set."""
    config = uvicorn.Config(
        app,
        workers=1,  # else $WEB_CONCURRENCY is read
        loop="asyncio",
        http=Bounded,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=0,
        h11_max_incomplete_event_size=_HEADERS,
    )
    return Server(config)
