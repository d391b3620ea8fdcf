"""Reads what a server offers in its reply to EHLO: pure functions, with the patterns of nodemailer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiosmtplib import SMTP

PASSWORD_MECHANISMS = ("PLAIN", "LOGIN", "CRAM-MD5")  # nodemailer's order, whatever the server's is
XOAUTH2 = "XOAUTH2"  # nodemailer knows it too; Mistle gives it no token


def offers(client: SMTP, extension: str) -> bool:
    """Whether the server offers the extension."""
    return bool(re.search(rf"[ -]{extension}\b", _reply(client), re.IGNORECASE))


def offers_login(client: SMTP) -> bool:
    """Whether nodemailer would log in: also where the server has only HELO, whose reply offers nothing."""
    return offers(client, "AUTH") or not client.supports_esmtp


def mechanisms(client: SMTP) -> list[str]:
    """Those of nodemailer's mechanisms that the server offers, in nodemailer's order."""
    reply = _reply(client)
    return [name for name in (*PASSWORD_MECHANISMS, XOAUTH2) if re.search(_AUTH + name, reply, re.IGNORECASE)]


def mechanisms_text(client: SMTP) -> str:
    """Every mechanism that the server names, as text; "" if it names none."""
    lines = re.findall(r"^250[ -]AUTH[ =](.*)$", _reply(client), re.IGNORECASE | re.MULTILINE)
    return ", ".join(dict.fromkeys(word.upper() for line in lines for word in line.split()))


def size_limit(client: SMTP) -> int:
    """The largest message in bytes that the server takes; 0 if it names no limit."""
    found = re.search(r"[ -]SIZE[ \t]+(\d{1,18})", _reply(client), re.IGNORECASE)
    return int(found[1]) if found else 0


_AUTH = r"[ -]AUTH(?:(\s+|=)[^\n]*\s+|\s+|=)"


def _reply(client: SMTP) -> str:
    """The last reply to EHLO with the codes, which aiosmtplib removes."""
    reply = client.last_ehlo_response
    return "\n".join(f"250-{line}" for line in reply.message.split("\n")) if reply else ""
