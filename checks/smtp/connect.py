"""How a session with a mail server begins: with TLS, without, and with the one where the server has the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from checks.core.check import Diagnosed
from checks.core.text import clean, foreign
from checks.net.network_errors import diagnose
from checks.net.tls import first_bytes, speaks_tls
from checks.net.tls_errors import PLAINTEXT_ON_TLS
from checks.smtp import causes, replies, session
from checks.smtp.session import Silent, within

if TYPE_CHECKING:
    from aiosmtplib import SMTP

    from checks.core.check import Diagnosis
    from checks.core.recorder import Recorder

T = TypeVar("T")
_PATIENCE = 1.0  # seconds without a greeting before the port is asked what it is; looking up our name may take as long


async def open_tls(record: Recorder, client: SMTP) -> None:
    """TLS from the first byte, and the greeting. Raises Met when the server speaks no TLS there."""
    host, port = str(client.hostname), int(client.port or 0)
    try:
        async with within(record, client, "greeting through TLS"):
            await client.connect()
    except Silent as error:
        _refuse_foreign(await first_bytes((host, port), b"", record.share_of_time(0.5), tls=host), error)
        raise
    except OSError as error:
        if not _is_plaintext(error):
            raise
        raise Diagnosed(await _without_tls(record, client)) from error


async def open_plaintext(record: Recorder, client: SMTP, address: tuple[str, int]) -> None:
    """The greeting. Raises Met when the server waits for TLS, or says what no mail server says."""
    async with _meanwhile(client.connect()) as opening, within(record, client, "greeting", 0.8):
        done, _ = await asyncio.wait({opening}, timeout=min(_PATIENCE, record.share_of_time(0.3)))
        if not done:
            async with _meanwhile(_ask_why(record, address)) as asking:
                await asyncio.wait({opening, asking}, return_when=asyncio.FIRST_COMPLETED)
                if not opening.done():
                    await asking
        await opening


async def upgrade(record: Recorder, client: SMTP) -> None:
    """STARTTLS, and EHLO again: what was offered before counts no more. Raises Met."""
    from aiosmtplib import SMTPResponse, SMTPResponseException

    try:
        async with within(record, client, "answer to STARTTLS"):
            await client.starttls()
    except SMTPResponseException as error:
        if error.code < 0:  # aiosmtplib's, for what is no reply
            raise
        reply = SMTPResponse(error.code, error.message)
        raise Diagnosed(replies.diagnosis(causes.STARTTLS_REFUSED, reply)) from error
    except OSError as error:
        if not _is_plaintext(error):
            raise
        raise Diagnosed(
            causes.STARTTLS_REFUSED.diagnosis("the server agrees to STARTTLS, and speaks no TLS")
        ) from error
    async with within(record, client, "answer to EHLO"):
        await session.say_hello(client)


@asynccontextmanager
async def _meanwhile(work: Coroutine[Any, Any, T]) -> AsyncIterator[asyncio.Task[T]]:
    """The work runs beside the block, and no longer."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _ask_why(record: Recorder, address: tuple[str, int]) -> None:
    limit = record.share_of_time(0.4)
    # aiosmtplib waits for the end of a line, which another protocol may never send.
    async with _meanwhile(first_bytes(address, b"", limit)) as listening:
        if await speaks_tls(address, limit):
            raise Diagnosed(
                causes.TLS_FROM_FIRST_BYTE.diagnosis("no greeting; the port answers a TLS handshake instead")
            )
        words = await listening
    _refuse_foreign(words)


async def _without_tls(record: Recorder, client: SMTP) -> Diagnosis:
    from aiosmtplib import SMTPConnectResponseError, SMTPException, SMTPHeloError

    plain = session.make_client(str(client.hostname), int(client.port or 0), record, tls=False)
    async with session.ending(plain, record):
        try:
            async with within(record, plain, "greeting"):
                greeting = replies.said(await plain.connect())
                await session.say_hello(plain)
        except (SMTPConnectResponseError, SMTPHeloError) as error:
            return causes.PLAINTEXT.diagnosis(
                f"the server says, without TLS: {foreign(f'{error.code} {error.message}')}"
            )
        except (SMTPException, OSError, Silent):
            return causes.NOT_SMTP.diagnosis("the port speaks neither TLS nor SMTP")
        more = ", and offers STARTTLS" if plain.supports_extension("starttls") else ""
        return causes.PLAINTEXT.diagnosis(f"the server greets without TLS: {greeting}{more}")


def _refuse_foreign(words: bytes, error: Exception | None = None) -> None:
    """Raise Met, from ``error``, where a greeting does not begin with a reply's three digits."""
    if words and not words[:3].isdigit():
        raise Diagnosed(causes.NOT_SMTP.diagnosis(f"the greeting is not a mail server's: {_shown(words)}")) from error


def _is_plaintext(error: OSError) -> bool:
    found = diagnose(error)
    return found is not None and found.cause is PLAINTEXT_ON_TLS


def _shown(words: bytes) -> str:
    said = clean(words[:100].decode(errors="replace"), 60)
    return foreign(said) if said else "bytes that are no text"
