"""SMTP, as Mistle's worker uses it: the session that nodemailer holds, up to the envelope, without a message."""

from __future__ import annotations

import ipaddress
import re
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar

from checks.core.chain import chain
from checks.core.finding import Diagnosed, Diagnosis, Layer, Status
from checks.core.recorder import Recorder
from checks.core.text import foreign
from checks.net.network_errors import RESET, SILENT
from checks.net.tcp import NetworkCheck, connect_any
from checks.net.tls import note_expiry
from checks.smtp import causes, connect, envelope, login, name_lookup, offers, replies, session
from checks.smtp.session import NoReply, time_limit

if TYPE_CHECKING:
    from aiosmtplib import SMTP

_MIN_SIZE = 512  # bytes: less than the headers and boundaries that nodemailer writes around a text and an HTML part
_USUAL_SIZE = 1 << 16
_ADDRESS = re.compile(r'("[^"<>\x00-\x1f\x7f]+"|[^\s<>@,;"\x00-\x1f\x7f]+)@[^\s<>@,;"\x00-\x1f\x7f]+')


@dataclass(frozen=True, kw_only=True)
class Smtp(NetworkCheck):
    """Proves that one-time passwords can be mailed: TLS and login as in nodemailer, sender and recipient accepted.

    Writes nothing and sends nothing, with --read-only and without: the envelope is cancelled (RSET) before there is
    a message, and the session ends with QUIT. Needs what Mistle needs: the login, and the right to send as that
    address. A provider that checks the sender only with the whole message refuses a wrong one only then. The recipients
    are the sender's own address and one at example.com, which shows whether the server relays.

    Tried with Postfix 3.10, Exim 4.98, OpenSMTPD 7.6, and Dovecot's submission service 2.4 in front of Postfix.
    """

    kind = "smtp"
    causes = causes.CAUSES
    imports: ClassVar[tuple[str, ...]] = ("aiosmtplib",)
    reply_readers: ClassVar[tuple[str, ...]] = (
        "aiosmtplib",
        *(f"checks.smtp.{module}" for module in ("login", "offers", "replies", "session")),
    )
    address: ClassVar[tuple[str, ...]] = ("host", "port")

    host: str
    port: int
    secure: bool
    username: str
    password: str = field(repr=False)
    from_address: str
    from_name: str = ""
    production: bool = False

    @property
    def target(self) -> str:
        return f"{self.host}:{self.port} {self.from_address}"

    @property
    def layers(self) -> tuple[Layer, ...]:
        # The tls layer is always there: without TLS, it reports that.
        return (Layer.DNS, Layer.CONNECT, Layer.TLS, Layer.AUTH, Layer.ACCESS)

    async def run(self, record: Recorder) -> None:
        """Connect, start TLS, log in, send sender and recipients, cancel."""
        with record.layer(Layer.DNS, f"{self.host} resolves", proves=self.address):
            addresses = await name_lookup.resolve(record, self.host, self.port)
        address = (await connect_any(record, self.host, addresses, self.port, self.address), self.port)
        client = session.make_client(self.host, record, tls=self.secure)
        async with session.closing(client, record):
            await (
                self._open_tls(record, client, address)
                if self.secure
                else self._open_plaintext(record, client, address)
            )
            with record.layer(Layer.AUTH, f"login accepted, as {self.username}", proves=("username", "password")):
                logged_in = await self._log_in(record, client)
            with record.layer(
                Layer.ACCESS, f"{self.from_address} may send; nothing was sent", proves=("from_address",)
            ):
                self._note_size(record, client)
                await self._try_envelope(record, client, address, logged_in)

    async def _open_tls(self, record: Recorder, client: SMTP, address: tuple[str, int]) -> None:
        goal = f"TLS from the first byte, with a certificate for {self.host} that Mistle trusts"
        with record.layer(Layer.TLS, goal, proves=("secure", "host")):
            await connect.open_tls(record, client, address)
            self._note_expiry(record, client)
            await connect.try_dot(record, self.host, address, starttls=False)

    async def _open_plaintext(self, record: Recorder, client: SMTP, address: tuple[str, int]) -> None:
        with record.layer(Layer.CONNECT, "a mail server greets, without TLS yet", proves=("host", "port", "secure")):
            await connect.open_plaintext(record, client, address)
        goal = f"STARTTLS, with a certificate for {self.host} that Mistle trusts"
        with record.layer(Layer.TLS, goal, proves=("secure", "host")):
            async with time_limit(record, client, "reply to EHLO"):
                await session.send_ehlo(client)
            if client.supports_extension("starttls"):
                await connect.start_tls(record, client, address)
                self._note_expiry(record, client)
                await connect.try_dot(record, self.host, address, starttls=True)
            else:
                self._note_plaintext(record, address[0])

    def _note_expiry(self, record: Recorder, client: SMTP) -> None:
        note_expiry(record, client.get_transport_info("peercert"), blames=("host",))

    def _note_plaintext(self, record: Recorder, address: str) -> None:
        private = not ipaddress.ip_address(address.partition("%")[0]).is_global
        where = "a private network" if private else "a public network"
        record.note(
            causes.STARTTLS_NOT_OFFERED.diagnosis(
                f"the server offers no STARTTLS: everything goes in plaintext, over {where}",
                status=Status.FAIL if self.production and not private else Status.WARN,
            )
        )

    async def _log_in(self, record: Recorder, client: SMTP) -> bool:
        if client.is_ehlo_or_helo_needed:
            async with time_limit(record, client, "reply to EHLO"):
                await session.send_ehlo(client)
        if not offers.offers_login(client):
            record.note(causes.AUTH_NOT_OFFERED.diagnosis("the server offers no AUTH: Mistle sends without a login"))
            record.skip(Layer.AUTH, "not tried: the server offers no AUTH", ("password",))
            return False
        async with time_limit(record, client, "reply to AUTH"):
            await login.log_in(client, self.username, self.password)
        return True

    def _note_size(self, record: Recorder, client: SMTP) -> None:
        limit = offers.size_limit(client)
        if 0 < limit < _USUAL_SIZE:
            record.note(
                causes.SIZE_LIMIT.diagnosis(
                    f"the server takes messages of at most {limit:,} bytes",
                    status=Status.FAIL if limit < _MIN_SIZE else Status.WARN,
                )
            )

    async def _try_envelope(self, record: Recorder, client: SMTP, address: tuple[str, int], logged_in: bool) -> None:
        if not _ADDRESS.fullmatch(self.from_address):
            raise Diagnosed(
                causes.SENDER_MALFORMED.diagnosis(f"{foreign(self.from_address, 80)} is not one e-mail address")
            )
        if envelope.changes_sender(self.from_name):
            raise Diagnosed(
                causes.SENDER_NAME.diagnosis(f"{foreign(self.from_name, 80)} changes the address of the sender")
            )
        sender = envelope.encode_domain(self.from_address)
        try:
            async with time_limit(record, client, "reply to MAIL FROM and RCPT TO", 0.8):
                refusal = await envelope.try_envelope(
                    client, sender, logged_in=logged_in, limit=record.share_of_time(0.3)
                )
        except envelope.SessionClosed as closed:
            refusal = await self._try_again(record, address, sender, closed)
        if isinstance(refusal, Diagnosis):
            record.note(refusal)
        elif refusal and refusal.code // 100 == 4:
            reason = f"not proven: mail to {self.from_address} is put off: {replies.one_line(refusal)}"
            record.skip(Layer.ACCESS, reason, ("from_address",))

    async def _try_again(
        self, record: Recorder, address: tuple[str, int], sender: str, closed: envelope.SessionClosed
    ) -> Diagnosis | None:
        """A server that ends the session at one recipient may take others: try one of another domain, once more."""
        from aiosmtplib import SMTPException

        client = session.make_client(self.host, record, tls=self.secure)
        with suppress(SMTPException, OSError, Diagnosed, NoReply):
            async with session.closing(client, record), time_limit(record, client, "replies on a second connection"):
                await session.reopen(client, address)
                if offers.offers_login(client):
                    await login.log_in(client, self.username, self.password)
                if await envelope.accepts_elsewhere(client, sender):
                    return None
        return replies.diagnosis(causes.UNAVAILABLE, closed.reply)

    def diagnose(self, error: Exception) -> Diagnosis | None:
        """Map replies first; everything else is a network error. Errors of names and certificates blame the host."""
        from aiosmtplib import (
            SMTPConnectResponseError,
            SMTPHeloError,
            SMTPResponseException,
            SMTPServerDisconnected,
        )

        match error:
            case NoReply():
                return SILENT.diagnosis(f"connected, then {error}", blames=self.address, hint=causes.WAIT_LONGER)
            case SMTPConnectResponseError() | SMTPHeloError():
                reply = foreign(f"{error.code} {error.message}")
                return causes.GREETING_REFUSED.diagnosis(f"the server reports: {reply}")
            case SMTPResponseException():
                return causes.NOT_SMTP.diagnosis(f"the reply is not a mail server's: {foreign(error.message, 120)}")
        if diagnosis := super().diagnose(error):
            return diagnosis if diagnosis.cause.layer is Layer.CONNECT else replace(diagnosis, blames=("host",))
        if any(isinstance(link, SMTPServerDisconnected) for link in chain(error)):
            return RESET.diagnosis("the connection was closed by the server", blames=self.address)
        return None
