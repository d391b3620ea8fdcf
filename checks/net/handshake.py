"""One TLS handshake, step by step: even a failure shows how far it came and what the server sent."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from checks.core.roots import Trust

Upgrade = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

_MAX_READ = 16384  # bytes at a time


class HandshakeFailed(Exception):
    """A handshake for ``host`` failed; ``__cause__`` is the ssl.SSLError.

    ``is_agreed``: a protocol and a cipher were agreed. ``chain``: the certificates that the server sent, as DER.
    """

    def __init__(self, host: str, error: ssl.SSLError, chain: tuple[bytes, ...] = (), is_agreed: bool = False) -> None:
        super().__init__(str(error))
        self.host, self.chain, self.is_agreed = host, chain, is_agreed
        self.__cause__ = error


@dataclass
class HandshakeProgress:
    """Whether the server has sent anything in a handshake, or has agreed to it before."""

    is_begun: bool = False


async def handshake(  # noqa: PLR0913 - what a handshake depends on
    trust: Trust,
    host: str,
    address: tuple[str, int],
    *,
    verify: bool = True,
    upgrade: Upgrade | None = None,
    progress: HandshakeProgress | None = None,
) -> dict[str, Any]:
    """One handshake; the certificate must be valid for ``host``. Returns the certificate, empty if not verified.

    Raises HandshakeFailed, OSError, and what ``upgrade`` raises.
    """
    progress = progress or HandshakeProgress()
    reader, writer = await asyncio.open_connection(*address)
    try:
        if upgrade:
            await upgrade(reader, writer)
            reader = _fresh(writer.transport)
            progress.is_begun = True
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = trust.verified if verify else trust.unverified
        # Node.js ignores the dot at the end of a name; OpenSSL does not.
        tls = context.wrap_bio(incoming, outgoing, server_hostname=host.rstrip("."))
        try:
            while not _is_done(tls):
                writer.write(outgoing.read())
                received = await reader.read(_MAX_READ)
                if received:
                    progress.is_begun = True
                    incoming.write(received)
                else:
                    incoming.write_eof()
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):  # the server closed the connection
            raise
        except ssl.SSLError as error:
            raise HandshakeFailed(host, error, _chain(tls), bool(tls.cipher())) from error
        finally:
            _send_rest(writer, outgoing)
        return tls.getpeercert() or {}
    finally:
        writer.transport.abort()


def _fresh(transport: asyncio.WriteTransport) -> asyncio.StreamReader:
    """A reader without what came before the handshake: anyone may have sent it, and Mistle's clients drop it."""
    reader = asyncio.StreamReader()
    transport.set_protocol(asyncio.StreamReaderProtocol(reader))
    return reader


def _is_done(tls: ssl.SSLObject) -> bool:
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True


def _send_rest(writer: asyncio.StreamWriter, outgoing: ssl.MemoryBIO) -> None:
    """Send the last message, or the alert, which the server logs."""
    if outgoing.pending and not writer.transport.is_closing():
        writer.write(outgoing.read())


def _chain(tls: ssl.SSLObject) -> tuple[bytes, ...]:
    """The certificates that the server sent. Public from Python 3.13; the private method is older."""
    sent: Any = tls._sslobj.get_unverified_chain()  # type: ignore[attr-defined]
    return tuple(ssl.PEM_cert_to_DER_cert(each.public_bytes()) for each in sent or ())
