"""What a server's refusals mean: pure functions over a reply's code and text."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from checks.core.check import Cause, Diagnosis, Status
from checks.core.text import clean, foreign
from checks.smtp import causes

if TYPE_CHECKING:
    from aiosmtplib import SMTPResponse

RECIPIENT = "recipient"  # the server refuses or defers only the recipient: no fault of the configuration

# Postfix names what it refuses; Exim, Sendmail, Exchange and the large providers use some of the same texts.
# RFC 3463 gives x.1.7 and x.1.8 to the sender, and the rest of x.1 and all of x.2 to the recipient.
_MEANINGS: tuple[tuple[str, Cause | str], ...] = (
    (r"must issue a starttls|encryption required|tls required|^538 |^523 ", causes.TLS_REQUIRED),
    (r"^530 |not authenticated|authenticat\w+ (is )?(required|first)|must authenticate", causes.AUTH_REQUIRED),
    (r"client host|blocked using|block ?list|(helo|ehlo) command", causes.CLIENT_REFUSED),
    (r" \d\.1\.[78] | \d\.7\.60 |sender|mail ?from|from address|send as|sending as", causes.SENDER_REFUSED),
    (r"relay", causes.RELAY_REFUSED),
    (r"^4", RECIPIENT),
    (r" \d\.1\.\d+ | \d\.2\.\d |recipient|mailbox|no such user|user unknown|unknown user", RECIPIENT),
)


def is_accepted(reply: SMTPResponse) -> bool:
    """Whether the server accepted the command: any 2xx, as for nodemailer."""
    return reply.code // 100 == 2


def of_login(reply: SMTPResponse, *, offered: bool) -> Diagnosis:
    """Why a login was refused. ``offered``: the server offers the mechanism that was used."""
    if _meaning(reply) is causes.TLS_REQUIRED:
        return diagnosis(causes.TLS_REQUIRED, reply)
    if reply.code // 100 == 4:
        return diagnosis(causes.AUTH_UNAVAILABLE, reply)
    return diagnosis(causes.CREDENTIALS_REJECTED if offered else causes.AUTH_MECHANISM, reply)


def of_sender(reply: SMTPResponse) -> Diagnosis:
    """Why MAIL FROM was refused: because of the sender, unless the reply names another cause."""
    meaning = _meaning(reply)
    if meaning is RECIPIENT and reply.code // 100 == 4:
        return diagnosis(causes.UNAVAILABLE, reply)
    return diagnosis(meaning if isinstance(meaning, Cause) else causes.SENDER_REFUSED, reply)


def of_recipient(reply: SMTPResponse) -> Diagnosis | str | None:
    """Why RCPT TO was refused: RECIPIENT when because of the recipient; None when the reply does not name a cause."""
    if reply.code == 421:
        return diagnosis(causes.UNAVAILABLE, reply)
    meaning = _meaning(reply)
    return diagnosis(meaning, reply) if isinstance(meaning, Cause) else meaning


def diagnosis(cause: Cause, reply: SMTPResponse, more: str = "") -> Diagnosis:
    """The cause, with the server's reply. A sender that is refused only for now (4xx) is a warning."""
    diagnosed = cause.diagnosis(f"the server says: {one_line(reply)}{more}")
    for_now = cause is causes.SENDER_REFUSED and reply.code // 100 == 4
    return replace(diagnosed, status=Status.WARN) if for_now else diagnosed


def one_line(reply: SMTPResponse) -> str:
    """The reply on one line, as foreign text."""
    return foreign(_line(reply))


def _line(reply: SMTPResponse) -> str:
    return clean(f"{reply.code} {reply.message}", 300)


def _meaning(reply: SMTPResponse) -> Cause | str | None:
    # Without addresses: noreply-sender@relay.example names no cause.
    text = re.sub(r"<[^>]*>|\S+@\S+", "", _line(reply)).lower()
    return next((meaning for pattern, meaning in _MEANINGS if re.search(pattern, text)), None)
