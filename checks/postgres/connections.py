"""The two connections of the proxy: from libpq (a Unix socket) and to the server (TCP, and TLS)."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from checks.core.limits import ResponseTooLarge

if TYPE_CHECKING:
    from ssl import SSLContext

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
RequestTls = Callable[[asyncio.StreamReader, asyncio.WriteTransport], Awaitable[None]]


async def connect_to_server(
    address: tuple[str, int], request_tls: RequestTls, context: SSLContext | None, name: str
) -> Streams:
    """The connection from the proxy to the server: TCP, and TLS where there is a ``context``.

    ``request_tls`` sends Postgres' own request, which comes before the handshake; ``name`` must be in the certificate.
    """
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()
    transport, protocol = await loop.create_connection(lambda: KeepData(reader), *address)
    try:
        if context:
            await request_tls(reader, transport)
            reader = asyncio.StreamReader()  # drops data from before the handshake: anyone may have sent it
            protocol = KeepData(reader)
            transport = await _start_tls(transport, protocol, context, name)
            reader.set_transport(transport)
    except BaseException:
        transport.abort()
        raise
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


async def _start_tls(
    transport: asyncio.Transport, protocol: KeepData, context: SSLContext, name: str
) -> asyncio.Transport:
    loop = asyncio.get_running_loop()
    if tls_transport := await loop.start_tls(transport, protocol, context, server_hostname=name):
        return tls_transport
    raise ConnectionResetError("closed in the TLS handshake")


class KeepData(asyncio.StreamReaderProtocol):
    """Delivers data received before a connection reset, instead of raising at once.

    ``error`` ended the connection; None where the server closed or reset it.
    """

    error: Exception | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        self.error = None if isinstance(exc, ConnectionError) else exc
        super().connection_lost(exc if isinstance(exc, ResponseTooLarge) else None)


async def accept_libpq(listener: socket.socket) -> Streams:
    """The first connection from this process, where libpq runs; those from other processes are closed."""
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()
    while True:
        connection, _ = await loop.sock_accept(listener)
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        if struct.unpack("3i", credentials)[0] == os.getpid():
            break
        connection.close()
    transport, protocol = await loop.create_unix_connection(lambda: KeepData(reader), sock=connection)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)
