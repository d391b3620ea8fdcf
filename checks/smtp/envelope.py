"""Sender and recipient, named as for a message, and taken back."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from checks.smtp import causes, replies

if TYPE_CHECKING:
    from aiosmtplib import SMTP, SMTPResponse

    from checks.core.check import Diagnosis


async def offer(client: SMTP, address: str) -> Diagnosis | SMTPResponse | None:
    """Name the address as sender and as recipient, and take both back.

    A diagnosis is what keeps mail back; a reply is a refusal, or a putting off, of the recipient alone.
    """
    mail = await _name_sender(client, address)
    if not replies.is_accepted(mail):
        return replies.of_sender(mail)
    reply = await _name_recipient(client, address)
    if replies.is_accepted(reply):
        await _take_back(client)
        return None
    meaning = replies.of_recipient(reply) or await _compare(client, address, reply)
    await _take_back(client)
    return reply if isinstance(meaning, str) else meaning


def on_the_wire(address: str) -> str:
    """An e-mail address as nodemailer writes it: the domain in ASCII, the rest as it is."""
    local, _, domain = address.rpartition("@")
    with suppress(UnicodeError):
        domain = domain.encode("idna").decode()
    return f"{local}@{domain}"


async def _compare(client: SMTP, address: str, reply: SMTPResponse) -> Diagnosis | str:
    """Whose refusal it is, where the words do not say: other recipients and senders tell.

    A server takes mail for its postmaster, and the empty sender of bounces (RFC 5321, 4.5.1 and 4.5.5).
    """
    from aiosmtplib import SMTPException

    with suppress(SMTPException):
        if replies.is_accepted(await _name_recipient(client, "postmaster")):
            return replies.RECIPIENT
        await _take_back(client)
        if replies.is_accepted(await _name_sender(client, "")) and replies.is_accepted(
            await _name_recipient(client, address)
        ):
            return replies.diagnosis(causes.SENDER_REFUSED, reply, "; it takes the same recipient from an empty sender")
    return replies.diagnosis(causes.MAIL_REFUSED, reply)


async def _name_sender(client: SMTP, address: str) -> SMTPResponse:
    international = not address.isascii() and client.supports_extension("smtputf8")
    options = (b"SMTPUTF8",) if international else ()
    return await client.execute_command(b"MAIL", f"FROM:<{address}>".encode(), *options)


async def _name_recipient(client: SMTP, address: str) -> SMTPResponse:
    return await client.execute_command(b"RCPT", f"TO:<{address}>".encode())


async def _take_back(client: SMTP) -> None:
    if client.is_connected:
        await client.execute_command(b"RSET")
