"""One session with a mail server, word for word as nodemailer holds it, on aiosmtplib."""

from __future__ import annotations

import asyncio
import base64
import hmac
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from checks.core.check import Diagnosed
from checks.smtp import replies

if TYPE_CHECKING:
    from aiosmtplib import SMTP

    from checks.core.recorder import Recorder

_MECHANISMS = ("plain", "login", "cram-md5")  # nodemailer's order, whatever the server's is


class Silent(Exception):
    """No answer came in time, in seconds."""

    def __init__(self, awaited: str, limit: float) -> None:
        super().__init__(f"no {awaited} within {limit:.2g} s")


@asynccontextmanager
async def within(record: Recorder, client: SMTP, awaited: str, share: float = 0.6) -> AsyncIterator[None]:
    """Silent, and no more of this session, when the block takes longer than this share of what is left of the time."""
    limit = record.share_of_time(share)
    try:
        async with asyncio.timeout(limit):
            yield
    except TimeoutError as error:
        client.close()
        raise Silent(awaited, limit) from error


@asynccontextmanager
async def ending(client: SMTP, record: Recorder) -> AsyncIterator[None]:
    """Say QUIT at the end, however the climb ended, so that the server's log has nothing to complain of."""
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
            transport.abort()  # through TLS, closing would wait for the server's own farewell
            await asyncio.sleep(0)


def make_client(host: str, port: int, record: Recorder, *, tls: bool) -> SMTP:
    """A client with Mistle's trust, that does nothing of its own accord and has no limits of its own."""
    from aiosmtplib import SMTP

    return SMTP(
        hostname=host,
        port=port,
        use_tls=tls,
        start_tls=False,
        tls_context=record.settings.trust.verified,
        local_hostname=own_name(),
        timeout=None,
    )


async def say_hello(client: SMTP) -> None:
    """EHLO, and HELO where that is refused."""
    from aiosmtplib import SMTPHeloError

    try:
        await client.ehlo()
    except SMTPHeloError:
        if not client.is_connected:
            raise
        await client.helo()


def offers_login(client: SMTP) -> bool:
    """Whether nodemailer would log in: also where the server knows only HELO and so can offer nothing."""
    return client.supports_extension("auth") or not client.supports_esmtp


async def log_in(client: SMTP, username: str, password: str) -> None:
    """One try, with the first mechanism that the server offers, else with PLAIN. Raises Met."""
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
        raise Diagnosed(replies.of_login(reply, known=bool(offered))) from error


async def _login(client: SMTP, username: str, password: str) -> None:
    from aiosmtplib import SMTPAuthenticationError

    reply = await client.execute_command(b"AUTH", b"LOGIN")
    for secret in (username, password):
        if reply.code == 334:
            reply = await client.execute_command(base64.b64encode(secret.encode()))
    if not replies.is_accepted(reply):
        raise SMTPAuthenticationError(reply.code, reply.message)


async def _cram_md5(client: SMTP, username: str, password: str) -> None:
    from aiosmtplib import SMTPAuthenticationError

    reply = await client.execute_command(b"AUTH", b"CRAM-MD5")
    if reply.code == 334:
        digest = hmac.new(password.encode(), _decoded(reply.message), "md5").hexdigest()
        reply = await client.execute_command(base64.b64encode(f"{username} {digest}".encode()))
    if not replies.is_accepted(reply):
        raise SMTPAuthenticationError(reply.code, reply.message)


def _decoded(text: str) -> bytes:
    """Base64 as Node.js reads it: what is none is left out, and what is cut counts as far as it goes."""
    letters = re.sub(r"[^A-Za-z0-9+/]", "", text)
    whole = letters[:-1] if len(letters) % 4 == 1 else letters
    return base64.b64decode(whole + "=" * (-len(whole) % 4))


def own_name() -> str:
    """What EHLO says, as nodemailer has it."""
    name = socket.gethostname()
    if "." not in name:
        return "[127.0.0.1]"
    return f"[{name}]" if re.fullmatch(r"\d{1,3}(\.\d{1,3}){3}", name) else name
