"""Opens the session with a mail server: TLS from the first byte, or plaintext and then STARTTLS.

The session is one connection. If it gets no greeting, or no TLS, `extra_connections` finds out why: whether the port
expects TLS, greets without TLS, or belongs to another protocol.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from checks.core.finding import Diagnosed
from checks.core.recorder import Recorder
from checks.net.network_errors import diagnose
from checks.net.server_name import try_name
from checks.net.tls_errors import PLAINTEXT_ON_TLS
from checks.smtp import causes, extra_connections, replies, session
from checks.smtp.session import GREETING, NoReply, time_limit

if TYPE_CHECKING:
    from aiosmtplib import SMTP


_GREETING_WAIT = (
    1.0  # seconds without a greeting before other connections are made; a server may look up our name first
)
_LATE = 5.0  # seconds until a greeting that is worth a warning


async def open_tls(record: Recorder, client: SMTP, address: tuple[str, int]) -> None:
    """Connect with TLS from the first byte, and read the greeting.

    Raises NoReply, OSError, and Diagnosed when the port has no TLS or is not a mail server's.
    """
    host, started = str(client.hostname), time.monotonic()
    try:
        async with time_limit(record, client, GREETING):
            await session.connect(client, address)
    except NoReply as error:
        if not await extra_connections.repeat_handshake(record, host, address, error):
            raise NoReply("reply to the TLS handshake", time.monotonic() - started) from error
        # aiosmtplib waits for the end of a line, which another protocol may never send: read what there is.
        await extra_connections.raise_if_not_smtp_within_tls(record, host, address, error)
        raise
    except OSError as error:
        if not _is_plaintext(error):
            await extra_connections.repeat_handshake(record, host, address, error)
            raise
        raise Diagnosed(await extra_connections.diagnose_without_tls(record, host, address)) from error
    _note_late_greeting(record, started)


async def open_plaintext(record: Recorder, client: SMTP, address: tuple[str, int]) -> None:
    """Connect without TLS, and read the greeting.

    When the greeting is late, other connections to the port are made at the same time; the first result counts.
    Raises NoReply, OSError, and Diagnosed when the port expects TLS or is not a mail server's.
    """
    started = time.monotonic()
    async with (
        extra_connections.background(session.connect(client, address)) as greeting,
        time_limit(record, client, GREETING, 0.8),
    ):
        done, _ = await asyncio.wait({greeting}, timeout=min(_GREETING_WAIT, record.share_of_time(0.3)))
        if not done:
            search = extra_connections.raise_for_another_protocol(record, address)
            async with extra_connections.background(search) as protocol:
                await asyncio.wait({greeting, protocol}, return_when=asyncio.FIRST_COMPLETED)
                if not greeting.done():
                    await protocol
        await greeting
    _note_late_greeting(record, started)


def _note_late_greeting(record: Recorder, started: float) -> None:
    if (seconds := record.waits.seconds(started)) >= _LATE:
        record.note(causes.GREETING_LATE.diagnosis(f"the greeting came after {seconds:.1f} s"))


async def start_tls(record: Recorder, client: SMTP, address: tuple[str, int]) -> None:
    """STARTTLS, the handshake, and EHLO again: what the server offered before TLS does not count.

    Raises NoReply, OSError, and Diagnosed when the server refuses STARTTLS.
    """
    from aiosmtplib import SMTPResponse, SMTPResponseException

    host = str(client.hostname)
    try:
        async with time_limit(record, client, "end of the TLS handshake after STARTTLS"):
            await client.starttls()
    except NoReply as error:
        await extra_connections.repeat_handshake(record, host, address, error, session.request_tls)
        raise
    except SMTPResponseException as error:
        if error.code < 0:  # aiosmtplib's code for a reply that is not SMTP
            raise
        reply = SMTPResponse(error.code, error.message)
        raise Diagnosed(replies.diagnosis(causes.STARTTLS_REFUSED, reply)) from error
    except OSError as error:
        if not _is_plaintext(error):
            await extra_connections.repeat_handshake(record, host, address, error, session.request_tls)
            raise
        raise Diagnosed(
            causes.STARTTLS_REFUSED.diagnosis("the server agrees to STARTTLS, and speaks no TLS")
        ) from error
    async with time_limit(record, client, "reply to EHLO"):
        await session.send_ehlo(client)


async def try_dot(record: Recorder, host: str, address: tuple[str, int], *, starttls: bool) -> None:
    """Repeat the TLS handshake with the name as nodemailer sends it, if it ends in a dot. Raises NameRefused."""
    if host.endswith("."):
        upgrade = session.request_tls if starttls else None
        await try_name(record.settings.trust.any_name, host, host, address, record.share_of_time(0.4), upgrade)


def _is_plaintext(error: OSError) -> bool:
    diagnosis = diagnose(error)
    return diagnosis is not None and diagnosis.cause is PLAINTEXT_ON_TLS
