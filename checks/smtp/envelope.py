"""Sends the sender and the recipient of a message (MAIL FROM, RCPT TO), and cancels before any message (RSET)."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from checks.smtp import causes, replies

if TYPE_CHECKING:
    from aiosmtplib import SMTP, SMTPResponse

    from checks.core.check import Diagnosis


async def try_envelope(client: SMTP, address: str) -> Diagnosis | SMTPResponse | None:
    """Send the address as sender and as recipient, then RSET.

    Returns None when the server accepts both, its reply when it refuses or defers only the recipient (which is no fault
    of the configuration), and a diagnosis for every other refusal.
    """
    sender_reply = await _mail_from(client, address)
    if not replies.is_accepted(sender_reply):
        return replies.of_sender(sender_reply)
    reply = await _rcpt_to(client, address)
    if replies.is_accepted(reply):
        await _reset(client)
        return None
    meaning = replies.of_recipient(reply) or await _compare_envelopes(client, address, reply)
    await _reset(client)
    return reply if isinstance(meaning, str) else meaning


def encode_domain(address: str) -> str:
    """An e-mail address as nodemailer writes it: the domain in ASCII, the rest as it is."""
    local, _, domain = address.rpartition("@")
    with suppress(UnicodeError):
        domain = domain.encode("idna").decode()
    return f"{local}@{domain}"


async def _compare_envelopes(client: SMTP, address: str, reply: SMTPResponse) -> Diagnosis | str:
    """Find out by other recipients and senders which one the server refuses, where its reply does not name it.

    A server accepts mail for its postmaster, and the empty sender of bounces (RFC 5321, 4.5.1 and 4.5.5).
    """
    from aiosmtplib import SMTPException

    with suppress(SMTPException):
        if replies.is_accepted(await _rcpt_to(client, "postmaster")):
            return replies.RECIPIENT
        await _reset(client)
        if replies.is_accepted(await _mail_from(client, "")) and replies.is_accepted(await _rcpt_to(client, address)):
            return replies.diagnosis(causes.SENDER_REFUSED, reply, "; it takes the same recipient from an empty sender")
    return replies.diagnosis(causes.MAIL_REFUSED, reply)


async def _mail_from(client: SMTP, address: str) -> SMTPResponse:
    international = not address.isascii() and client.supports_extension("smtputf8")
    options = (b"SMTPUTF8",) if international else ()
    return await client.execute_command(b"MAIL", f"FROM:<{address}>".encode(), *options)


async def _rcpt_to(client: SMTP, address: str) -> SMTPResponse:
    return await client.execute_command(b"RCPT", f"TO:<{address}>".encode())


async def _reset(client: SMTP) -> None:
    if client.is_connected:
        await client.execute_command(b"RSET")
