"""Short connections beside the session, which find out why it got no greeting, or no TLS.

Only what a server sends proves anything: a time-out, or a connection that closes, leaves the question open.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

from checks.core.chain import chain
from checks.core.finding import Diagnosed, Diagnosis
from checks.core.recorder import Recorder
from checks.core.roots import Trust
from checks.core.text import clean, foreign
from checks.net import certificates
from checks.net.handshake import HandshakeFailed, HandshakeProgress, Upgrade, handshake
from checks.net.tls import first_bytes, uses_tls
from checks.net.tls_errors import PLAINTEXT_ON_TLS, Stalled
from checks.smtp import causes, offers, session
from checks.smtp.session import GREETING, NoReply, time_limit

T = TypeVar("T")


@asynccontextmanager
async def background(work: Coroutine[Any, Any, T]) -> AsyncIterator[asyncio.Task[T]]:
    """Run the work as a task that is cancelled at the end of the block."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def raise_for_another_protocol(record: Recorder, address: tuple[str, int]) -> None:
    """On two connections at once, try a TLS handshake and read without a request. Returns if neither shows a cause."""
    limit = record.share_of_time(0.4)
    async with background(first_bytes(address, b"", limit)) as first:
        if await uses_tls(address, limit):
            raise Diagnosed(
                causes.TLS_FROM_FIRST_BYTE.diagnosis("no greeting; the port answers a TLS handshake instead")
            )
        received = await first
    _raise_if_not_smtp(received)


async def raise_if_not_smtp_within_tls(record: Recorder, host: str, address: tuple[str, int], error: Exception) -> None:
    """Read within TLS what comes first; raise Diagnosed, from ``error``, if it is no greeting."""
    _raise_if_not_smtp(await first_bytes(address, b"", record.share_of_time(0.5), tls=host), error)


async def repeat_handshake(
    record: Recorder, host: str, address: tuple[str, int], error: Exception, upgrade: Upgrade | None = None
) -> bool:
    """After a handshake that failed, or that got no end: make another one, which shows what the server sends.

    Returns whether it succeeded. Raises HandshakeFailed, Stalled.
    """
    if not isinstance(error, NoReply) and not any(isinstance(link, ssl.SSLError) for link in chain(error)):
        return False
    progress = HandshakeProgress()
    try:
        async with asyncio.timeout(record.share_of_time(0.5)):
            await handshake(record.settings.trust, host, address, upgrade=upgrade, progress=progress)
    except TimeoutError:
        if progress.is_begun:
            begun = "agreed to STARTTLS" if upgrade else "began a TLS handshake"
            raise Stalled(f"the server {begun}, and the handshake did not end in time") from error
        return False
    except HandshakeFailed as failed:
        record.facts |= certificates.issuer_of(failed)
        raise
    except (OSError, EOFError):
        return False
    return True


async def diagnose_without_tls(record: Recorder, host: str, address: tuple[str, int]) -> Diagnosis:
    """After a TLS handshake that was answered without TLS: is there a mail server?"""
    from aiosmtplib import SMTPConnectResponseError, SMTPException, SMTPHeloError

    plain = session.make_client(host, record, tls=False)
    async with session.closing(plain, record):
        try:
            async with time_limit(record, plain, GREETING, 0.5):
                greeting = foreign(await session.connect(plain, address), 300)
                await session.send_ehlo(plain)
        except (SMTPConnectResponseError, SMTPHeloError) as error:
            return causes.PLAINTEXT.diagnosis(
                f"the server reports, without TLS: {foreign(f'{error.code} {error.message}')}"
            )
        except (SMTPException, OSError, NoReply):
            return await _diagnose_reply_to_hello(record, host, address)
        more = ", and offers STARTTLS" if offers.offers(plain, "STARTTLS") else ""
        return causes.PLAINTEXT.diagnosis(f"the server greets without TLS: {greeting}{more}")


async def _diagnose_reply_to_hello(record: Recorder, host: str, address: tuple[str, int]) -> Diagnosis:
    """There was no greeting in time: read what answers the first message of a TLS handshake."""
    received = await first_bytes(address, _client_hello(host), record.share_of_time(0.5), minimum=3)
    if received[:3].isdigit():
        shown = foreign(received[:200].decode(errors="replace"), 100)
        return causes.PLAINTEXT.diagnosis(f"the server answers a TLS handshake without TLS: {shown}")
    if received:
        return causes.NOT_SMTP.diagnosis(f"the port speaks neither TLS nor SMTP: {_shown(received)}")
    return PLAINTEXT_ON_TLS.diagnosis("the port answered a TLS handshake without TLS", blames=("port",))


def _client_hello(host: str) -> bytes:
    outgoing = ssl.MemoryBIO()
    tls = Trust().unverified.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=host)
    with suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


def _raise_if_not_smtp(received: bytes, error: Exception | None = None) -> None:
    """Raise Diagnosed, from ``error``, when the data does not begin with the three digits of an SMTP reply."""
    if received and not received[:3].isdigit():
        found = causes.NOT_SMTP.diagnosis(f"the greeting is not a mail server's: {_shown(received)}")
        raise Diagnosed(found) from error


def _shown(received: bytes) -> str:
    text = clean(received[:100].decode(errors="replace"), 60)
    return foreign(text) if text else "bytes that are no text"
