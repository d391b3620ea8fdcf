"""The login, with the mechanisms and the steps of nodemailer."""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from checks.core.finding import Diagnosed
from checks.core.text import foreign
from checks.smtp import causes, offers, replies

if TYPE_CHECKING:
    from aiosmtplib import SMTP, SMTPResponse

_MAX_CHALLENGES = 3  # empty replies to a server that asks for more; nodemailer sends them without end


async def log_in(client: SMTP, username: str, password: str) -> None:
    """Try one login, with the first of nodemailer's mechanisms that the server offers, else with PLAIN.

    Raises Diagnosed when the server refuses it, or offers only XOAUTH2: then nodemailer fails before it sends anything.
    """
    offered, listed = offers.mechanisms(client), offers.mechanisms_text(client)
    names = f"the server offers {foreign(listed, 120)}" if listed else "the server names no mechanism"
    if offered == [offers.XOAUTH2]:
        raise Diagnosed(causes.AUTH_MECHANISM.diagnosis(f"{names}, and no login with a password"))
    mechanism = offered[0] if offered else "PLAIN"
    reply, is_complete = await _EXCHANGES[mechanism](client, username, password)
    if not is_complete:
        raise Diagnosed(replies.of_login(reply, offered=bool(offered), names=names))


async def _plain(client: SMTP, username: str, password: str) -> tuple[SMTPResponse, bool]:
    reply = await client.execute_command(b"AUTH", b"PLAIN", _encode(f"\0{username}\0{password}"))
    return await _conclude(client, reply)


async def _login(client: SMTP, username: str, password: str) -> tuple[SMTPResponse, bool]:
    reply = await client.execute_command(b"AUTH", b"LOGIN")
    for credential in (username, password):
        if reply.code != 334:
            return reply, False
        reply = await client.execute_command(_encode(credential))
    return await _conclude(client, reply)


async def _cram_md5(client: SMTP, username: str, password: str) -> tuple[SMTPResponse, bool]:
    reply = await client.execute_command(b"AUTH", b"CRAM-MD5")
    if reply.code != 334:
        return reply, False
    digest = hmac.new(password.encode(), _decode(reply.message), "md5").hexdigest()
    reply = await client.execute_command(_encode(f"{username} {digest}"))
    return reply, reply.code == 235


_EXCHANGES: Mapping[str, Callable[[SMTP, str, str], Awaitable[tuple[SMTPResponse, bool]]]] = {
    "PLAIN": _plain,
    "LOGIN": _login,
    "CRAM-MD5": _cram_md5,
}
"""The exchange of each mechanism. It returns the last reply, and whether nodemailer then continues."""


async def _conclude(client: SMTP, reply: SMTPResponse) -> tuple[SMTPResponse, bool]:
    for _ in range(_MAX_CHALLENGES):
        if reply.code == 334:
            reply = await client.execute_command(b"")
    return reply, replies.is_accepted(reply)


def _encode(text: str) -> bytes:
    return base64.b64encode(text.encode())


def _decode(text: str) -> bytes:
    """Base64 as Node.js reads it: other characters are ignored, and a truncated text is decoded as far as it goes."""
    letters = re.sub(r"[^A-Za-z0-9+/]", "", text)
    complete = letters[:-1] if len(letters) % 4 == 1 else letters
    return base64.b64decode(complete + "=" * (-len(complete) % 4))
