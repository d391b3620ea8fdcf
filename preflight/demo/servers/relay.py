"""A relay in front of Postgres that makes up cancel keys, as a pooler does. It does not pool."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Iterable

_KEY_DATA = b"K\0\0\0\x0c"  # BackendKeyData: type, length 12, then process id and secret, 4 bytes each


async def serve(listeners: Iterable[socket.socket], port: int) -> None:
    """Relay what comes on these sockets to the server on ``port``."""

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection("localhost", port)
        try:
            await asyncio.gather(_copy(reader, server_writer), _copy_replies(server_reader, writer))
        except OSError:
            pass
        finally:
            writer.close()
            server_writer.close()

    for listener in listeners:
        await asyncio.start_server(relay, sock=listener)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while part := await reader.read(65536):
        writer.write(part)
    writer.close()


async def _copy_replies(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The login's replies arrive in parts that hold whole messages or a few of them."""
    while part := await reader.read(65536):
        before, found, after = part.partition(_KEY_DATA)
        if found:
            part = before + found + secrets.token_bytes(8) + after[8:]
        writer.write(part)
    writer.close()
