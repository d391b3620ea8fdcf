"""A connection of our own, through which libpq speaks to a server.

libpq takes in a message of any length, and hashes a password as often as the server says, in calls that hold the
interpreter's lock: no limit in this process could end them. So it speaks to a Unix socket of ours, and hears no more
than it should.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from checks.core.check import Diagnosed
from checks.core.limits import MAX_BYTES, ResponseTooLarge
from checks.postgres import causes
from checks.postgres.refusals import is_whole, of_server

if TYPE_CHECKING:
    from ssl import SSLContext

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Dial = Callable[[], Awaitable[Streams]]
Upgrade = Callable[[asyncio.StreamReader, asyncio.WriteTransport], Awaitable[None]]

_MESSAGES = 2000  # a login and one answer have some thirty; libpq's time for parameters grows with their square
_ROUNDS = 1_000_000  # take half a second; Postgres asks for 4096 unless it was told otherwise
_SASL, _SASL_CONTINUE = 10, 11  # protocol.html#PROTOCOL-MESSAGE-FORMATS
_OF_ANY_LENGTH = b"Nv"  # the first messages for which libpq reserves whatever length they announce
_SHORT = 8192  # bytes: every request for a login
_FAREWELL = 0.1  # seconds for libpq's last words to leave


class Relay:
    """``host`` is what libpq is told, ``port`` this end's towards the server, ``fault`` what went wrong in between.

    ``refusal`` are the words of the server's last error.
    """

    def __init__(self) -> None:
        self.host = f"@mistle-preflight-{secrets.token_hex(16)}"  # an abstract name: there is no file
        self.port = 0
        self.fault: Exception | None = None
        self.refusal = ""

    async def run(self, listener: socket.socket, dial: Dial) -> None:
        """Hand on what both sides say, until libpq is done."""
        try:
            said, libpq = await _accepted(listener)
        except OSError as error:
            self.fault = error
            listener.close()
            return
        try:
            heard, server = await dial()
        except Exception as error:
            self.fault = error
            libpq.close()
            return
        self.port = server.get_extra_info("sockname")[1]
        hearing = asyncio.create_task(self._hear(heard, libpq, server.transport.get_protocol()))
        try:
            while words := await said.read(_SHORT):
                server.write(words)
        finally:
            hearing.cancel()
            server.transport.abort()

    async def _hear(
        self, heard: asyncio.StreamReader, libpq: asyncio.StreamWriter, protocol: asyncio.BaseProtocol
    ) -> None:
        try:
            await self._hand_on(heard, libpq)
        except asyncio.IncompleteReadError as end:
            libpq.write(end.partial)
            if isinstance(protocol, _KeepData) and not self.refusal:
                self.fault = protocol.broken
        except Exception as error:
            self.fault = error
        finally:
            libpq.close()

    async def _hand_on(self, heard: asyncio.StreamReader, libpq: asyncio.StreamWriter) -> None:
        """Message by message. Raises IncompleteReadError at the end, Endless, Met."""
        for number in range(_MESSAGES):
            head = await heard.readexactly(5)
            length = int.from_bytes(head[1:], "big") - 4
            if length > MAX_BYTES and (number or head[:1] in _OF_ANY_LENGTH):
                raise Diagnosed(causes.NOT_POSTGRES.diagnosis(f"the answer announces a message of {length} bytes"))
            if head[:1] == b"R" and 4 <= length <= _SHORT:
                try:
                    head, length = _vetted(await heard.readexactly(length)), 0
                except asyncio.IncompleteReadError:  # libpq is to see that it was cut, not another beginning
                    libpq.write(head)
                    raise
            await self._hand_on_body(head, length, heard, libpq)
        raise ResponseTooLarge(f"{_MESSAGES} messages")

    async def _hand_on_body(
        self, head: bytes, length: int, heard: asyncio.StreamReader, libpq: asyncio.StreamWriter
    ) -> None:
        libpq.write(head)
        body = b""
        while length > 0 and (part := await heard.read(min(length, 65536))):
            libpq.write(part)
            length -= len(part)
            if head[:1] == b"E":
                body = (body + part)[:_SHORT]
                self.refusal = of_server(head, body) if is_whole(length) else ""


@asynccontextmanager
async def relayed(dial: Dial) -> AsyncIterator[Relay]:
    """A relay to the server that ``dial`` leads to, once libpq asks for it."""
    relay = Relay()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.setblocking(False)
        listener.bind(f"\0{relay.host[1:]}/.s.PGSQL.5432")
        listener.listen()
        work = asyncio.create_task(relay.run(listener, dial))
        try:
            yield relay
        finally:
            await asyncio.wait({work}, timeout=_FAREWELL)
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)


async def dial(address: tuple[str, int], upgrade: Upgrade, context: SSLContext | None, name: str) -> Streams:
    """A connection; with a context through TLS, that ``upgrade`` asks for in Postgres' own words."""
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()
    transport, protocol = await loop.create_connection(lambda: _KeepData(reader), *address)
    try:
        if context:
            await upgrade(reader, transport)
            reader = asyncio.StreamReader()  # what came before the handshake is not the word of who shows a certificate
            protocol = _KeepData(reader)
            transport = await _secured(transport, protocol, context, name)
            reader.set_transport(transport)
    except BaseException:
        transport.abort()
        raise
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


async def _secured(
    transport: asyncio.Transport, protocol: _KeepData, context: SSLContext, name: str
) -> asyncio.Transport:
    loop = asyncio.get_running_loop()
    if secured := await loop.start_tls(transport, protocol, context, server_hostname=name):
        return secured
    raise ConnectionResetError("closed in the TLS handshake")


class _KeepData(asyncio.StreamReaderProtocol):
    """Lets what was said before a reset be heard. ``broken`` is the error that ended it, where no server closed it."""

    broken: Exception | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        self.broken = None if isinstance(exc, ConnectionError) else exc
        super().connection_lost(exc if isinstance(exc, ResponseTooLarge) else None)


async def _accepted(listener: socket.socket) -> Streams:
    """libpq, which is in this process."""
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()
    while True:
        connection, _ = await loop.sock_accept(listener)
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        if struct.unpack("3i", credentials)[0] == os.getpid():
            break
        connection.close()
    transport, protocol = await loop.create_unix_connection(lambda: _KeepData(reader), sock=connection)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


def _vetted(request: bytes) -> bytes:
    """A server's request for a login, fit for libpq. Raises Met."""
    kind, body = int.from_bytes(request[:4], "big"), request[4:]
    if kind == _SASL:
        # Without TLS of its own, libpq distrusts a server that has this way; Mistle's clients do not know it.
        body = b"\0".join(name for name in body.split(b"\0") if name != b"SCRAM-SHA-256-PLUS")
    if kind == _SASL_CONTINUE:
        for part in body.split(b","):
            rounds = re.sub(rb"\D", b"", part) if part.startswith(b"i=") else b""
            if len(rounds) > 9 or int(rounds or b"0") > _ROUNDS:
                often = rounds.decode() if len(rounds) <= 12 else "more than a billion"
                raise Diagnosed(
                    causes.LOGIN_TOO_COSTLY.diagnosis(f"the server wants the password hashed {often} times")
                )
    return b"R" + struct.pack("!II", len(body) + 8, kind) + body
