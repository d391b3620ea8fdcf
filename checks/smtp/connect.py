"""Opens the session with a mail server: TLS from the first byte, or plaintext and then STARTTLS.

The session is one connection. Where it gets no greeting, or no TLS, short connections beside it find out why: whether
the port expects TLS, greets without TLS, or belongs to another protocol.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from checks.core.chain import chain
from checks.core.check import Diagnosed
from checks.core.text import clean, foreign
from checks.net.handshake import Progress, Upgrade, handshake
from checks.net.network_errors import diagnose
from checks.net.server_name import try_name
from checks.net.tls import first_bytes, uses_tls
from checks.net.tls_errors import PLAINTEXT_ON_TLS, Stalled
from checks.smtp import causes, replies, session
from checks.smtp.session import NoReply, time_limit

if TYPE_CHECKING:
    from aiosmtplib import SMTP

    from checks.core.check import Diagnosis
    from checks.core.recorder import Recorder

T = TypeVar("T")
_GREETING_WAIT = (
    1.0  # seconds without a greeting before other connections are made; a server may look up our name first
)


async def open_tls(record: Recorder, client: SMTP) -> None:
    """Connect with TLS from the first byte, and read the greeting.

    Raises NoReply, OSError, and Diagnosed when the port has no TLS or is not a mail server's.
    """
    host, port = str(client.hostname), int(client.port or 0)
    try:
        async with time_limit(record, client, "greeting through TLS"):
            await client.connect()
    except NoReply as error:
        await _repeat_handshake(record, client, error)
        # aiosmtplib waits for the end of a line, which another protocol may never send: read what there is.
        _raise_if_not_smtp(await first_bytes((host, port), b"", record.share_of_time(0.5), tls=host), error)
        raise
    except OSError as error:
        if not _is_plaintext(error):
            await _repeat_handshake(record, client, error)
            raise
        raise Diagnosed(await _diagnose_without_tls(record, client)) from error


async def open_plaintext(record: Recorder, client: SMTP, address: tuple[str, int]) -> None:
    """Connect without TLS, and read the greeting.

    When the greeting is late, other connections to the port are made at the same time; the first result counts.
    Raises NoReply, OSError, and Diagnosed when the port expects TLS or is not a mail server's.
    """
    async with _background(client.connect()) as greeting, time_limit(record, client, "greeting", 0.8):
        done, _ = await asyncio.wait({greeting}, timeout=min(_GREETING_WAIT, record.share_of_time(0.3)))
        if not done:
            async with _background(_raise_for_another_protocol(record, address)) as protocol:
                await asyncio.wait({greeting, protocol}, return_when=asyncio.FIRST_COMPLETED)
                if not greeting.done():
                    await protocol
        await greeting


async def start_tls(record: Recorder, client: SMTP) -> None:
    """STARTTLS, the handshake, and EHLO again: what the server offered before TLS does not count.

    Raises NoReply, OSError, and Diagnosed when the server refuses STARTTLS.
    """
    from aiosmtplib import SMTPResponse, SMTPResponseException

    try:
        async with time_limit(record, client, "answer to STARTTLS"):
            await client.starttls()
    except NoReply as error:
        await _repeat_handshake(record, client, error, session.request_tls)
        raise
    except SMTPResponseException as error:
        if error.code < 0:  # aiosmtplib's code for a reply that is not SMTP
            raise
        reply = SMTPResponse(error.code, error.message)
        raise Diagnosed(replies.diagnosis(causes.STARTTLS_REFUSED, reply)) from error
    except OSError as error:
        if not _is_plaintext(error):
            await _repeat_handshake(record, client, error, session.request_tls)
            raise
        raise Diagnosed(
            causes.STARTTLS_REFUSED.diagnosis("the server agrees to STARTTLS, and speaks no TLS")
        ) from error
    async with time_limit(record, client, "answer to EHLO"):
        await session.send_ehlo(client)


async def try_dot(record: Recorder, host: str, address: tuple[str, int], *, starttls: bool) -> None:
    """Repeat the TLS handshake with the name as nodemailer sends it, if it ends in a dot. Raises NameRefused."""
    if host.endswith("."):
        upgrade = _ask_for_tls if starttls else None
        await try_name(record.settings.trust.any_name, host, host, address, record.share_of_time(0.4), upgrade)


async def _ask_for_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Greeting, EHLO and STARTTLS; the replies were correct on the connection before."""
    for command in (b"", f"EHLO {session.client_name()}\r\n".encode(), b"STARTTLS\r\n"):
        writer.write(command)
        while (await reader.readuntil(b"\n"))[3:4] == b"-":
            pass


@asynccontextmanager
async def _background(work: Coroutine[Any, Any, T]) -> AsyncIterator[asyncio.Task[T]]:
    """Run the work as a task that is cancelled at the end of the block."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _raise_for_another_protocol(record: Recorder, address: tuple[str, int]) -> None:
    """On two connections at once, try a TLS handshake and read without a request. Returns if neither shows a cause."""
    limit = record.share_of_time(0.4)
    async with _background(first_bytes(address, b"", limit)) as first:
        if await uses_tls(address, limit):
            raise Diagnosed(
                causes.TLS_FROM_FIRST_BYTE.diagnosis("no greeting; the port answers a TLS handshake instead")
            )
        received = await first
    _raise_if_not_smtp(received)


async def _repeat_handshake(record: Recorder, client: SMTP, error: Exception, upgrade: Upgrade | None = None) -> None:
    """After a handshake that failed, or that got no end: make another one, which shows what the server sends.

    Raises HandshakeFailed, Stalled.
    """
    if not isinstance(error, NoReply) and not any(isinstance(link, ssl.SSLError) for link in chain(error)):
        return
    host, port, progress = str(client.hostname), int(client.port or 0), Progress()
    try:
        async with asyncio.timeout(record.share_of_time(0.5)):
            await handshake(record.settings.trust, host, (host, port), upgrade=upgrade, progress=progress)
    except TimeoutError:
        if progress.is_begun:
            raise Stalled("the server began a TLS handshake, and did not end it in time") from error
    except (OSError, EOFError):
        return


async def _diagnose_without_tls(record: Recorder, client: SMTP) -> Diagnosis:
    """After a TLS handshake that failed: on a second connection, without TLS, is there a mail server?"""
    from aiosmtplib import SMTPConnectResponseError, SMTPException, SMTPHeloError

    plain = session.make_client(str(client.hostname), int(client.port or 0), record, tls=False)
    async with session.closing(plain, record):
        try:
            async with time_limit(record, plain, "greeting"):
                greeting = replies.one_line(await plain.connect())
                await session.send_ehlo(plain)
        except (SMTPConnectResponseError, SMTPHeloError) as error:
            return causes.PLAINTEXT.diagnosis(
                f"the server says, without TLS: {foreign(f'{error.code} {error.message}')}"
            )
        except (SMTPException, OSError, NoReply):
            return causes.NOT_SMTP.diagnosis("the port speaks neither TLS nor SMTP")
        more = ", and offers STARTTLS" if plain.supports_extension("starttls") else ""
        return causes.PLAINTEXT.diagnosis(f"the server greets without TLS: {greeting}{more}")


def _raise_if_not_smtp(received: bytes, error: Exception | None = None) -> None:
    """Raise Diagnosed, from ``error``, when the data does not begin with the three digits of an SMTP reply."""
    if received and not received[:3].isdigit():
        text = clean(received[:100].decode(errors="replace"), 60)
        shown = foreign(text) if text else "bytes that are no text"
        raise Diagnosed(causes.NOT_SMTP.diagnosis(f"the greeting is not a mail server's: {shown}")) from error


def _is_plaintext(error: OSError) -> bool:
    diagnosis = diagnose(error)
    return diagnosis is not None and diagnosis.cause is PLAINTEXT_ON_TLS
