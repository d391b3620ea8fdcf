"""A proxy in this process, through which libpq connects to the server.

    libpq ── TCP on this machine, no TLS ── LibpqProxy ── TCP, with TLS where the URL asks for it ── server

libpq reads a message of any length, and hashes a password as often as the server asks, in C calls that hold the
interpreter's lock: no time-out in this process can end them. So the proxy reads each message first, and libpq receives
only what it can process in bounded time.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import pairwise

from checks.core.finding import Diagnosed
from checks.core.limits import MAX_BYTES, ResponseTooLarge
from checks.postgres import causes
from checks.postgres.connections import NO_ADDRESS, Address, KeepData, Streams, accept_from
from checks.postgres.refusals import Refusal
from checks.postgres.refusals.error_response import is_readable, parse_refusal

Connect = Callable[[], Awaitable[Streams]]

_LOOPBACK = "127.0.0.1"
_MAX_MESSAGES = 2000  # a login and one result have about 30; libpq's time for parameters grows with their square
_MAX_ROUNDS = 1_000_000  # take half a second; Postgres asks for 4096 unless it is configured otherwise
_SASL, _SASL_CONTINUE = 10, 11  # protocol.html#PROTOCOL-MESSAGE-FORMATS
_NOT_LIMITED_BY_LIBPQ = b"Nv"  # as first message, libpq allocates the length that these types announce
_SHORT = 8192  # bytes: every authentication request is shorter
_TERMINATE_WAIT = 0.1  # seconds for libpq's last message (Terminate) to reach the server


class LibpqProxy:
    """One connection from libpq, one to the server, and what went wrong between them.

    ``address`` is the one that libpq connects to; ``libpq_address`` is libpq's own, which the proxy accepts.
    ``port`` is the local port of the connection to the server.
    ``fault`` is the error that ended the connections, where it is not for libpq to report.
    ``server_error`` is the server's last ErrorResponse, ``requests`` are its authentication requests.
    ``arrivals`` are the times at which the connection stood, and at which each message began.
    """

    def __init__(self, address: Address) -> None:
        self.address, self.libpq_address = address, NO_ADDRESS
        self.port = 0
        self.fault: Exception | None = None
        self.server_error: Refusal | None = None
        self.requests: list[int] = []
        self.arrivals: list[float] = []

    @property
    def is_slow(self) -> bool:
        """Whether the next message may still come: the server took about as long for an earlier one."""
        gaps = [end - start for start, end in pairwise(self.arrivals)]
        return bool(gaps) and time.monotonic() - self.arrivals[-1] < 2 * max(gaps)

    async def run(self, listener: socket.socket, connect: Connect) -> None:
        """Accept libpq's connection, connect to the server, and forward both ways until libpq closes its end."""
        try:
            from_libpq, to_libpq = await accept_from(listener, self.libpq_address)
        except OSError as error:
            self.fault = error
            listener.close()
            return
        try:
            from_server, to_server = await connect()
        except Exception as error:
            self.fault = error
            to_libpq.close()
            return
        own = to_server.get_extra_info("sockname")
        self.port = own[1] if isinstance(own, tuple) else 0  # a Unix socket has none
        self.arrivals.append(time.monotonic())
        protocol = to_server.transport.get_protocol()
        replies = asyncio.create_task(self._forward_replies(from_server, to_libpq, protocol))
        try:
            while requests := await from_libpq.read(_SHORT):
                to_server.write(requests)
        finally:
            replies.cancel()
            to_server.transport.abort()

    async def _forward_replies(
        self, from_server: asyncio.StreamReader, to_libpq: asyncio.StreamWriter, protocol: asyncio.BaseProtocol
    ) -> None:
        try:
            await self._forward_messages(from_server, to_libpq)
        except asyncio.IncompleteReadError as end:  # the connection to the server has ended
            to_libpq.write(end.partial)
            if isinstance(protocol, KeepData) and not self.server_error:
                self.fault = protocol.error
        except Exception as error:
            self.fault = error
        finally:
            to_libpq.close()

    async def _forward_messages(self, from_server: asyncio.StreamReader, to_libpq: asyncio.StreamWriter) -> None:
        """Forward message by message.

        Raises IncompleteReadError when the connection to the server ends, ResponseTooLarge for too many messages,
        Diagnosed for a message that is too long or a login that takes too much time.
        """
        for number in range(_MAX_MESSAGES):
            head = await from_server.readexactly(5)  # type, and length with its own four bytes
            self.arrivals.append(time.monotonic())
            length = int.from_bytes(head[1:], "big") - 4
            if length > MAX_BYTES and (number or head[:1] in _NOT_LIMITED_BY_LIBPQ):
                raise Diagnosed(causes.NOT_POSTGRES.diagnosis(f"the reply announces a message of {length} bytes"))
            if head[:1] == b"R" and 4 <= length <= _SHORT:
                try:
                    request = await from_server.readexactly(length)
                    self.requests.append(int.from_bytes(request[:4], "big"))
                    head, length = _safe_auth_request(request), 0
                except asyncio.IncompleteReadError:  # with the head, libpq sees that the message was cut
                    to_libpq.write(head)
                    raise
            await self._forward_message(head, length, from_server, to_libpq)
        raise ResponseTooLarge(f"{_MAX_MESSAGES} messages")

    async def _forward_message(
        self, head: bytes, length: int, from_server: asyncio.StreamReader, to_libpq: asyncio.StreamWriter
    ) -> None:
        """Forward ``head`` and a body of ``length`` bytes; keep an ErrorResponse."""
        to_libpq.write(head)
        body = b""
        while length > 0 and (part := await from_server.read(min(length, 65536))):
            to_libpq.write(part)
            length -= len(part)
            if head[:1] == b"E":
                body = (body + part)[:_SHORT]
                self.server_error = parse_refusal(head, body, tuple(self.requests)) if is_readable(length) else None


@asynccontextmanager
async def libpq_proxy(connect: Connect) -> AsyncIterator[LibpqProxy]:
    """A proxy that listens for libpq, and calls ``connect`` for the connection to the server once libpq connects.

    The caller sets ``libpq_address`` before it awaits anything.
    """
    with socket.create_server((_LOOPBACK, 0)) as listener:
        listener.setblocking(False)
        proxy = LibpqProxy(listener.getsockname())
        task = asyncio.create_task(proxy.run(listener, connect))
        try:
            yield proxy
        finally:
            await asyncio.wait({task}, timeout=_TERMINATE_WAIT)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def _safe_auth_request(request: bytes) -> bytes:
    """The message for libpq that takes the place of a server's authentication request (the message without its head).

    Raises Diagnosed when the server asks for too many rounds of hashing.
    """
    kind, body = int.from_bytes(request[:4], "big"), request[4:]
    if kind == _SASL:
        # libpq, which has no TLS here, refuses a server that offers SCRAM-SHA-256-PLUS. Mistle's clients ignore it.
        body = b"\0".join(name for name in body.split(b"\0") if name != b"SCRAM-SHA-256-PLUS")
    if kind == _SASL_CONTINUE:
        _limit_rounds(body)
    return b"R" + struct.pack("!II", len(body) + 8, kind) + body


def _limit_rounds(challenge: bytes) -> None:
    for part in challenge.split(b","):
        rounds = re.sub(rb"\D", b"", part) if part.startswith(b"i=") else b""
        if len(rounds) > 9 or int(rounds or b"0") > _MAX_ROUNDS:
            times = rounds.decode() if len(rounds) <= 12 else "more than a billion"
            raise Diagnosed(causes.LOGIN_TOO_COSTLY.diagnosis(f"the server asks for {times} rounds of hashing"))
