"""Postgres' own request for TLS (SSLRequest), which comes before the handshake; its reply also identifies Postgres."""

from __future__ import annotations

import asyncio

from checks.net.tls import PlaintextProbe, first_bytes, uses_tls
from checks.net.tls_errors import TlsOnPlaintext
from checks.postgres.connections import ServerAddress
from checks.postgres.session import NotPostgres

ALPN = ("postgresql",)  # what a client offers in a handshake without a request before it
_SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"  # length 8, code 80877103: protocol.html#PROTOCOL-MESSAGE-FORMATS


class _Request(PlaintextProbe):
    """A server replies with one byte, or with an error."""

    def matches(self, received: bytes) -> bool:
        return received in {b"", b"S", b"N"} or received.startswith(b"E")


PROTOCOL = _Request(_SSL_REQUEST, ())


class TlsRefused(Exception):
    """The server replies that it has no TLS."""


async def request_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter | asyncio.WriteTransport) -> None:
    """Send an SSLRequest; return when the server agrees.

    Raises TlsRefused, NotPostgres, IncompleteReadError when the server closes the connection.
    """
    writer.write(_SSL_REQUEST)
    reply = await reader.readexactly(1)
    if reply == b"N":
        raise TlsRefused("the server replies that it has none")
    if reply != b"S":
        raise NotPostgres("the reply to a request for TLS is not Postgres'")


async def reply_to_request(address: ServerAddress, limit: float) -> bytes:
    """The reply to an SSLRequest on a connection of its own: b"S" (TLS), b"N" (no TLS), b"" if it is not Postgres."""
    reply = await first_bytes(address, _SSL_REQUEST, limit)
    return reply if reply in {b"S", b"N"} else b""


async def raise_if_tls_port(address: ServerAddress, limit: float) -> None:
    """Raise TlsOnPlaintext when the port expects TLS from the first byte, without an SSLRequest.

    Postgres 17 and newer take both: a handshake proves nothing where the server replies to an SSLRequest.
    """
    if isinstance(address, str):
        return
    if not await reply_to_request(address, 0.4 * limit) and await uses_tls(address, 0.6 * limit):
        raise TlsOnPlaintext("TLS is spoken from the first byte on that port")
