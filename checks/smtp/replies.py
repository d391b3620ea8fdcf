"""What a server's refusals mean: pure functions over a reply's code and text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from checks.core.finding import Cause, Diagnosis, Status
from checks.core.text import clean, foreign
from checks.smtp import causes

if TYPE_CHECKING:
    from aiosmtplib import SMTPResponse

RECIPIENT = "recipient"  # the server accepts the recipient, or refuses or defers only it: no fault of the configuration

# Postfix names what it refuses; Exim, OpenSMTPD, Sendmail, Exchange and the large providers use some of the same texts.
# RFC 3463 gives x.1.7 and x.1.8 to the sender, and the rest of x.1 and all of x.2 to the recipient.
_MEANINGS: tuple[tuple[str, Cause | str], ...] = (
    (r"must issue a starttls|encryption required|tls required|^538 |^523 ", causes.TLS_REQUIRED),
    (r"^530 sender rejected", causes.SENDER_REFUSED),  # OpenSMTPD: the login may not send as that address
    (r"^530 |not authenticated|authenticat\w+ (is )?(required|first)|must authenticate", causes.AUTH_REQUIRED),
    (r"not logged in", causes.AUTH_REQUIRED),
    (r"recipient address rejected", RECIPIENT),
    (r"client host|blocked using|bl(ac|o)ck ?list|(helo|ehlo) command|reverse (dns|host)", causes.CLIENT_REFUSED),
    (r"^421 ", causes.UNAVAILABLE),
    (r" \d\.3\.4 |message (size|too (big|large))|size limit", causes.SIZE_LIMIT),
    (r" \d\.6\.7 |smtputf8|internationali[sz]ed", causes.SENDER_INTERNATIONAL),
    (r" \d\.1\.[78] | \d\.7\.60 |sender|mail ?from|from address|send as|sending as", causes.SENDER_REFUSED),
    (r"^(5|4\d\d 4\.7).*relay|rcpthosts", causes.RELAY_REFUSED),
    (r"^4", RECIPIENT),
    (r" \d\.1\.\d+ | \d\.2\.\d |recipient|mailbox|no such user|user unknown|unknown user|unrout", RECIPIENT),
)
# Replies to AUTH. Microsoft, Google, Yahoo and RFC 4954 name what is wrong in the first two; a plain 535 names nothing.
_LOGIN_MEANINGS: tuple[tuple[str, Cause], ...] = (
    (r"must issue a starttls|encryption required|tls required|^538 |^523 ", causes.TLS_REQUIRED),
    (
        r"smtpclientauthentication is disabled|did not meet the criteria|basic auth\w* is (not supported|disabled)"
        r"|(account|user|mailbox|smtp auth\w*|authentication) (is |has been )?(disabled|locked|suspended|blocked)"
        r"|security defaults| 5\.7\.13 | 5\.7\.30 ",
        causes.LOGIN_DISABLED,
    ),
    (r"application.specific password|app password|web ?browser", causes.CREDENTIALS_REJECTED),
    (r"^4", causes.AUTH_UNAVAILABLE),
    (r"^2|^50[234] | [45]\.7\.9 |mechanism", causes.AUTH_MECHANISM),
)
_PROVIDER_MAKES_IT = "put an app password for {username}, made at the provider, into {password}: it takes no other here"
_BEHIND = "the login was accepted: let the server of {host} log in at the server behind it (relay host, smart host)"


def is_accepted(reply: SMTPResponse) -> bool:
    """Whether the server accepted the command: any 2xx, as for nodemailer."""
    return reply.code // 100 == 2


def of_login(reply: SMTPResponse, *, offered: bool, names: str) -> Diagnosis:
    """Why a login was refused. ``offered``: the server offers the mechanism that was used; ``names``: all it offers."""
    meaning = _first(_LOGIN_MEANINGS, _words(reply))
    if meaning is causes.CREDENTIALS_REJECTED:
        return replace(diagnosis(causes.CREDENTIALS_REJECTED, reply), hint=_PROVIDER_MAKES_IT)
    if meaning is causes.AUTH_MECHANISM or not (meaning or offered):
        return diagnosis(causes.AUTH_MECHANISM, reply, f"; {names}")
    return diagnosis(meaning if isinstance(meaning, Cause) else causes.CREDENTIALS_REJECTED, reply)


def of_sender(reply: SMTPResponse, *, logged_in: bool) -> Diagnosis:
    """Why MAIL FROM was refused: because of the sender, unless the reply names another cause."""
    meaning = _meaning(reply, logged_in)
    if meaning == RECIPIENT and reply.code // 100 == 4:
        return diagnosis(causes.UNAVAILABLE, reply)
    return meaning if isinstance(meaning, Diagnosis) else diagnosis(causes.SENDER_REFUSED, reply)


def of_recipient(reply: SMTPResponse, *, logged_in: bool) -> Diagnosis | str | None:
    """Why RCPT TO was refused; RECIPIENT when not, or because of the recipient; None when no cause is named."""
    return RECIPIENT if is_accepted(reply) else _meaning(reply, logged_in)


def of_elsewhere(reply: SMTPResponse, own: str | None) -> Diagnosis | None:
    """The diagnosis of a refused recipient of another domain; None unless the server does not relay.

    ``own`` is the meaning of the reply to the sender's own address.
    """
    words = _words(reply)
    if not re.search(r"^550 invalid recipient", words) and _first(_MEANINGS, words) not in _NO_RELAY:
        return None
    found = diagnosis(causes.RELAY_REFUSED, reply, ", of a recipient of another domain than the sender's")
    return replace(found, status=Status.WARN) if own == RECIPIENT else found


def for_others_only(own: Diagnosis | str | None) -> Diagnosis | None:
    """The diagnosis of a refused own address, as a warning: the server accepts mail for another domain."""
    if not isinstance(own, Diagnosis):
        return None
    return replace(own, status=Status.WARN, message=f"{own.message}; it takes mail for another domain")


def without_smtputf8(outcome: Diagnosis | SMTPResponse | None) -> Diagnosis | SMTPResponse | None:
    """The outcome for a sender with other letters than ASCII, at a server that does not offer SMTPUTF8."""
    cause = causes.SENDER_INTERNATIONAL
    if isinstance(outcome, Diagnosis) and outcome.cause in {causes.SENDER_REFUSED, causes.MAIL_REFUSED}:
        return cause.diagnosis(f"the server offers no SMTPUTF8; {outcome.message.replace('the server', 'it', 1)}")
    if outcome is None:
        message = "the server offers no SMTPUTF8; it accepts the sender, and others may not"
        return cause.diagnosis(message, status=Status.WARN)
    return outcome


def diagnosis(cause: Cause, reply: SMTPResponse, more: str = "") -> Diagnosis:
    """The cause, with the server's reply. A sender that is refused only for now (4xx) is a warning."""
    diagnosed = cause.diagnosis(f"the server reports: {one_line(reply)}{more}")
    for_now = cause is causes.SENDER_REFUSED and reply.code // 100 == 4
    return replace(diagnosed, status=Status.WARN) if for_now else diagnosed


def one_line(reply: SMTPResponse) -> str:
    """The reply on one line, as foreign text."""
    return foreign(_line(reply))


_NO_RELAY = (causes.RELAY_REFUSED, causes.AUTH_REQUIRED)


def _meaning(reply: SMTPResponse, logged_in: bool) -> Diagnosis | str | None:
    """``logged_in``: a login was accepted, so that a server which asks for one is another one behind it."""
    meaning = _first(_MEANINGS, _words(reply))
    if meaning is causes.AUTH_REQUIRED and logged_in:
        if "sender" not in _words(reply):
            return replace(diagnosis(causes.MAIL_REFUSED, reply), blames=("host",), status=Status.FAIL, hint=_BEHIND)
        meaning = causes.SENDER_REFUSED
    return diagnosis(meaning, reply) if isinstance(meaning, Cause) else meaning


def _first(meanings: Iterable[tuple[str, Cause | str]], words: str) -> Cause | str | None:
    return next((meaning for pattern, meaning in meanings if re.search(pattern, words)), None)


def _words(reply: SMTPResponse) -> str:
    # Without addresses: noreply-sender@relay.example names no cause.
    return re.sub(r"<[^>]*>|\S+@\S+", "", _line(reply)).lower()


def _line(reply: SMTPResponse) -> str:
    return clean(f"{reply.code} {reply.message}", 300)
