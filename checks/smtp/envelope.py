"""Sends the sender and recipients of a message (MAIL FROM, RCPT TO), and cancels before any message (RSET).

The first recipient is the sender's own address, the second one of another domain: Mistle's users may have any. A reply
about the second one counts only if it accepts, or refuses to relay.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from typing import TYPE_CHECKING

from checks.core.finding import Diagnosis
from checks.smtp import causes, offers, replies

if TYPE_CHECKING:
    from aiosmtplib import SMTP, SMTPResponse

_ELSEWHERE = ("mistle-preflight@example.com", "mistle-preflight@example.org")
"""Addresses of domains that are reserved for examples."""
_DOTS = re.compile("[.\u3002\uff0e\uff61]")  # the dots of nodemailer's punycode


class SessionClosed(Exception):
    """The server ended the session with a 421, its ``reply`` to the first recipient."""

    def __init__(self, reply: SMTPResponse) -> None:
        super().__init__(replies.one_line(reply))
        self.reply = reply


async def try_envelope(client: SMTP, address: str, *, logged_in: bool, limit: float) -> Diagnosis | SMTPResponse | None:
    """Send the address as sender and as recipient, a recipient of another domain, then RSET.

    Returns None when the server accepts the sender, its reply when it only defers the recipients (which is no fault of
    the configuration), and a diagnosis for every other refusal. ``limit``: seconds for the second recipient. Raises
    Closed.
    """
    reply = await _mail_from(client, address)
    outcome: Diagnosis | SMTPResponse | None
    if replies.is_accepted(reply):
        outcome = await _try_recipients(client, address, logged_in, limit)
        await _reset(client)
    else:
        outcome = replies.of_sender(reply, logged_in=logged_in)
    if address.isascii() or offers.offers(client, "SMTPUTF8"):
        return outcome
    return replies.without_smtputf8(outcome)


async def accepts_elsewhere(client: SMTP, address: str) -> bool:
    """Whether the server accepts the sender, and a recipient of another domain. Cancels them."""
    for reply in (await _mail_from(client, address), await _rcpt_to(client, _elsewhere(address))):
        if not replies.is_accepted(reply):
            return False
    await _reset(client)
    return True


def changes_sender(name: str) -> bool:
    """Whether nodemailer reads another sender than the address, or none, from ``name <address>``."""
    rest, comments = re.subn(r"\([^()]*\)", "", re.sub(r'"[^"]*"', "", name))
    return bool(re.search(r"<[^<>]+>|:.*@.*;|\"", rest)) or ("(" in rest and not comments)


def encode_domain(address: str) -> str:
    """An e-mail address as nodemailer writes it: the domain in lower case and in ASCII, the rest as it is.

    nodemailer encodes a domain's letters as they are; Python's own encoding would replace some (ß by ss).
    """
    local, _, domain = address.rpartition("@")
    return f"{local}@{'.'.join(map(_encode_label, _DOTS.split(domain.lower())))}"


async def _try_recipients(client: SMTP, address: str, logged_in: bool, limit: float) -> Diagnosis | SMTPResponse | None:
    own = await _rcpt_to(client, address)
    if own.code == 421:
        raise SessionClosed(own)
    refusal = replies.of_recipient(own, logged_in=logged_in)
    if isinstance(refusal, Diagnosis) and refusal.cause is not causes.RELAY_REFUSED:
        return refusal
    elsewhere = await _try_elsewhere(client, address, limit)
    if elsewhere and replies.is_accepted(elsewhere):
        return replies.for_others_only(refusal)
    if isinstance(refusal, Diagnosis):
        return refusal
    if elsewhere and (relay := replies.of_elsewhere(elsewhere, refusal)):
        return relay
    if refusal == replies.RECIPIENT:
        return own if own.code // 100 == 4 else None
    return await _compare_envelopes(client, address, own)


async def _try_elsewhere(client: SMTP, address: str, limit: float) -> SMTPResponse | None:
    """The reply to a recipient of another domain; None if there is none in time: the server may ask that domain."""
    from aiosmtplib import SMTPException

    try:
        async with asyncio.timeout(limit):
            return await _rcpt_to(client, _elsewhere(address))
    except (TimeoutError, SMTPException):
        client.close()  # a reply that comes later would be taken for that to the next command
        return None


async def _compare_envelopes(client: SMTP, address: str, reply: SMTPResponse) -> Diagnosis | None:
    """Find out by other recipients and senders which one the server refuses, where its reply does not name it.

    A server accepts mail for its postmaster, and the empty sender of bounces (RFC 5321, 4.5.1 and 4.5.5).
    """
    from aiosmtplib import SMTPException

    with suppress(SMTPException):
        if replies.is_accepted(await _rcpt_to(client, f"postmaster@{address.rpartition('@')[2]}")):
            return None
        await _reset(client)
        if replies.is_accepted(await _mail_from(client, "")) and replies.is_accepted(await _rcpt_to(client, address)):
            return replies.diagnosis(causes.SENDER_REFUSED, reply, "; it takes the same recipient from an empty sender")
    return replies.diagnosis(causes.MAIL_REFUSED, reply)


def _elsewhere(address: str) -> str:
    domain = address.rpartition("@")[2]
    return next(each for each in _ELSEWHERE if not each.endswith(f"@{domain}"))


async def _mail_from(client: SMTP, address: str) -> SMTPResponse:
    international = not address.isascii() and offers.offers(client, "SMTPUTF8")
    options = (b"SMTPUTF8",) if international else ()
    return await client.execute_command(b"MAIL", f"FROM:<{address}>".encode(), *options)


async def _rcpt_to(client: SMTP, address: str) -> SMTPResponse:
    return await client.execute_command(b"RCPT", f"TO:<{address}>".encode())


async def _reset(client: SMTP) -> None:
    if client.is_connected:
        await client.execute_command(b"RSET")


def _encode_label(label: str) -> str:
    return label if label.isascii() else f"xn--{label.encode('punycode').decode()}"
