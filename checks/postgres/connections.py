"""The two connections of the proxy: from libpq (TCP on this machine) and to the server (TCP, and TLS)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from ssl import SSLContext

from checks.core.limits import ResponseTooLarge

Address = tuple[str, int]
ServerAddress = Address | str  # a string is the path of a Unix socket
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
RequestTls = Callable[[asyncio.StreamReader, asyncio.WriteTransport], Awaitable[None]]

NO_ADDRESS = ("", 0)


async def connect_to_server(
    address: ServerAddress, request_tls: RequestTls | None, context: SSLContext | None, name: str
) -> Streams:
    """The connection from the proxy to the server: TCP, and TLS where there is a ``context``.

    ``request_tls`` sends Postgres' own request, which comes before the handshake, where the client sends one; ``name``
    must be in the certificate.
    """
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()
    transport, protocol = await _connect(address, reader)
    try:
        if context:
            if request_tls:
                await request_tls(reader, transport)
            reader = asyncio.StreamReader()  # drops data from before the handshake: anyone may have sent it
            protocol = KeepData(reader)
            transport = await _start_tls(transport, protocol, context, name)
            reader.set_transport(transport)
    except BaseException:
        transport.abort()
        raise
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


async def _connect(address: ServerAddress, reader: asyncio.StreamReader) -> tuple[asyncio.Transport, KeepData]:
    loop = asyncio.get_running_loop()
    if isinstance(address, str):
        return await loop.create_unix_connection(lambda: KeepData(reader), address)
    return await loop.create_connection(lambda: KeepData(reader), *address)


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


def local_address(descriptor: int) -> Address:
    """The address of this end of a connection."""
    connection = socket.socket(fileno=descriptor)
    try:
        host, port = connection.getsockname()
    finally:
        connection.detach()  # libpq closes it
    return host, port


async def accept_from(listener: socket.socket, address: Address) -> Streams:
    """The connection from this address. Those from others are closed: any user of this machine may connect."""
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()
    while True:
        connection, peer = await loop.sock_accept(listener)
        if peer == address:
            break
        connection.close()
    transport, protocol = await loop.create_connection(lambda: KeepData(reader), sock=connection)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)
