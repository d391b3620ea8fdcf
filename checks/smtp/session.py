"""One session with a mail server: sends, through aiosmtplib, the commands that nodemailer sends, in its order.

`make_client` → `connect.open_tls`, or `connect.open_plaintext` and `connect.start_tls` → `log_in` → the envelope
(`envelope.py`) → QUIT, which `closing` sends also after a failure. Each step has a time limit (`time_limit`).
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import re
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from checks.core.check import Diagnosed
from checks.smtp import replies

if TYPE_CHECKING:
    from aiosmtplib import SMTP

    from checks.core.recorder import Recorder

_MECHANISMS = ("plain", "login", "cram-md5")  # nodemailer's order, whatever the server's is


class NoReply(Exception):
    """The server did not send the ``awaited`` reply within ``limit`` seconds."""

    def __init__(self, awaited: str, limit: float) -> None:
        super().__init__(f"no {awaited} within {limit:.2g} s")


@asynccontextmanager
async def time_limit(record: Recorder, client: SMTP, awaited: str, share: float = 0.6) -> AsyncIterator[None]:
    """Close the connection and raise NoReply if the block takes more than this share of the time left for the check."""
    limit, started = record.share_of_time(share), time.monotonic()
    try:
        async with asyncio.timeout(limit):
            yield
            record.replied(started)
    except TimeoutError as error:
        client.close()
        raise NoReply(awaited, limit) from error


@asynccontextmanager
async def closing(client: SMTP, record: Recorder) -> AsyncIterator[None]:
    """Send QUIT at the end, also after a failure, so that the server logs no lost connection; then close."""
    from aiosmtplib import SMTPException

    try:
        yield
    except asyncio.CancelledError:
        client.close()
        raise
    finally:
        transport = client.transport
        with suppress(SMTPException, OSError):
            async with asyncio.timeout(record.share_of_time(0.2)):
                await client.quit()
        client.close()
        if isinstance(transport, asyncio.WriteTransport):
            transport.abort()  # closing TLS would wait for the server's close_notify
            await asyncio.sleep(0)


def make_client(host: str, port: int, record: Recorder, *, tls: bool) -> SMTP:
    """A client that trusts Mistle's roots, with aiosmtplib's own STARTTLS and time-outs off."""
    from aiosmtplib import SMTP

    return SMTP(
        hostname=host.rstrip("."),  # Node.js verifies a name without the dot at its end; OpenSSL does not
        port=port,
        use_tls=tls,
        start_tls=False,
        tls_context=record.settings.trust.verified,
        local_hostname=client_name(),
        timeout=None,
    )


async def send_ehlo(client: SMTP) -> None:
    """Send EHLO, and HELO where the server refuses it."""
    from aiosmtplib import SMTPHeloError

    try:
        await client.ehlo()
    except SMTPHeloError:
        if not client.is_connected:
            raise
        await client.helo()


async def request_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Ask for TLS without aiosmtplib: greeting, EHLO, STARTTLS. Raises ConnectionError if the server refuses."""
    for command in ("", f"EHLO {client_name()}\r\n", "STARTTLS\r\n"):
        writer.write(command.encode())
        while (line := await reader.readline())[3:4] == b"-":
            pass
        if not line.startswith(b"2"):
            raise ConnectionAbortedError("the server refuses to start TLS")


def offers_login(client: SMTP) -> bool:
    """Whether nodemailer would log in: also where the server has only HELO, whose reply offers nothing."""
    return client.supports_extension("auth") or not client.supports_esmtp


async def log_in(client: SMTP, username: str, password: str) -> None:
    """Try one login, with the first of nodemailer's mechanisms that the server offers, else with PLAIN.

    Raises Diagnosed when the server refuses it.
    """
    from aiosmtplib import SMTPAuthenticationError, SMTPResponse

    offered = [name for name in _MECHANISMS if name in client.server_auth_methods]
    try:
        match offered:
            case ["login", *_]:
                await _login(client, username, password)
            case ["cram-md5", *_]:
                await _cram_md5(client, username, password)
            case _:
                await client.auth_plain(username, password)
    except SMTPAuthenticationError as error:
        reply = SMTPResponse(error.code, error.message)
        raise Diagnosed(replies.of_login(reply, offered=bool(offered))) from error


async def _login(client: SMTP, username: str, password: str) -> None:
    from aiosmtplib import SMTPAuthenticationError

    reply = await client.execute_command(b"AUTH", b"LOGIN")
    for credential in (username, password):
        if reply.code == 334:
            reply = await client.execute_command(base64.b64encode(credential.encode()))
    if not replies.is_accepted(reply):
        raise SMTPAuthenticationError(reply.code, reply.message)


async def _cram_md5(client: SMTP, username: str, password: str) -> None:
    from aiosmtplib import SMTPAuthenticationError

    reply = await client.execute_command(b"AUTH", b"CRAM-MD5")
    if reply.code == 334:
        digest = hmac.new(password.encode(), _decode(reply.message), "md5").hexdigest()
        reply = await client.execute_command(base64.b64encode(f"{username} {digest}".encode()))
    if not replies.is_accepted(reply):
        raise SMTPAuthenticationError(reply.code, reply.message)


def _decode(text: str) -> bytes:
    """Base64 as Node.js reads it: other characters are ignored, and a truncated text is decoded as far as it goes."""
    letters = re.sub(r"[^A-Za-z0-9+/]", "", text)
    complete = letters[:-1] if len(letters) % 4 == 1 else letters
    return base64.b64decode(complete + "=" * (-len(complete) % 4))


def client_name() -> str:
    """The name of this machine that nodemailer sends with EHLO."""
    name = socket.gethostname()
    if "." not in name:
        return "[127.0.0.1]"
    return f"[{name}]" if re.fullmatch(r"\d{1,3}(\.\d{1,3}){3}", name) else name
