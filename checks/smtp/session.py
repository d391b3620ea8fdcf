"""One session with a mail server: sends, through aiosmtplib, the commands that nodemailer sends, in its order.

`make_client` → `connect.open_tls`, or `connect.open_plaintext` and `connect.start_tls` → `login.log_in` → the envelope
(`envelope.py`) → QUIT, which `closing` sends also after a failure. Each step has a time limit (`time_limit`).
"""

from __future__ import annotations

import asyncio
import re
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from checks.core.loop.sockets import connected_to
from checks.core.recorder import Recorder

if TYPE_CHECKING:
    from aiosmtplib import SMTP


GREETING_LIMIT = 30.0  # seconds: nodemailer gives up then; it waits ten minutes for any other reply
GREETING = "greeting"


class NoReply(Exception):
    """The server did not send the ``awaited`` reply within ``limit`` seconds."""

    def __init__(self, awaited: str, limit: float) -> None:
        patience = "Mistle waits 30 s for it" if awaited == GREETING else "Mistle waits 10 minutes for it"
        given_up = awaited == GREETING and limit >= GREETING_LIMIT
        super().__init__(f"no {awaited} within {limit:.2g} s; {'Mistle gives up then' if given_up else patience}")


@asynccontextmanager
async def time_limit(record: Recorder, client: SMTP, awaited: str, share: float = 0.6) -> AsyncIterator[None]:
    """Close the connection and raise NoReply if the block takes more than this share of the time left for the check."""
    limit, started = record.share_of_time(share), time.monotonic()
    if awaited == GREETING:
        limit = min(limit, GREETING_LIMIT)
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
        with suppress(SMTPException, OSError):
            async with asyncio.timeout(record.share_of_time(0.2)):
                await client.quit()
        client.close()
        await asyncio.sleep(0)  # in which the transport closes


def make_client(host: str, record: Recorder, *, tls: bool) -> SMTP:
    """A client that trusts Mistle's roots, with aiosmtplib's own STARTTLS and time-outs off."""
    from aiosmtplib import SMTP

    class Client(SMTP):
        def close(self) -> None:
            """Close at once, also after a 421: closing TLS would wait for the server's close_notify."""
            transport = self.transport
            super().close()
            if isinstance(transport, asyncio.WriteTransport):
                transport.abort()

    return Client(
        hostname=host.rstrip("."),  # Node.js verifies a name without the dot at its end; OpenSSL does not
        use_tls=tls,
        start_tls=False,
        tls_context=record.settings.trust.verified,
        local_hostname=client_name(),
        timeout=None,
    )


async def connect(client: SMTP, address: tuple[str, int]) -> str:
    """Connect to the address, with TLS if the client has it, and return the text of the greeting.

    aiosmtplib would look up the name itself, and find other addresses than Mistle's client. Raises its errors, OSError.
    """
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    greeting = await client.connect(sock=await connected_to(family, address))
    return f"{greeting.code} {greeting.message}"


async def send_ehlo(client: SMTP) -> None:
    """Send EHLO, and HELO where the server refuses it."""
    from aiosmtplib import SMTPHeloError

    try:
        await client.ehlo()
    except SMTPHeloError:
        if not client.is_connected:
            raise
        await client.helo()


async def reopen(client: SMTP, address: tuple[str, int]) -> None:
    """Repeat the steps that come before the login: greeting, EHLO, STARTTLS where offered, and EHLO again."""
    await connect(client, address)
    await send_ehlo(client)
    if client.supports_extension("starttls") and not client.use_tls:
        await client.starttls()
        await send_ehlo(client)


async def request_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Ask for TLS without aiosmtplib: greeting, EHLO, STARTTLS. Raises ConnectionError if the server refuses."""
    for command in ("", f"EHLO {client_name()}\r\n", "STARTTLS\r\n"):
        writer.write(command.encode())
        while (line := await reader.readline())[3:4] == b"-":
            pass
        if not line.startswith(b"2"):
            raise ConnectionAbortedError("the server refuses to start TLS")


def client_name() -> str:
    """The name of this machine that nodemailer sends with EHLO."""
    name = socket.gethostname()
    if "." not in name:
        return "[127.0.0.1]"
    return f"[{name}]" if re.fullmatch(r"\d{1,3}(\.\d{1,3}){3}", name) else name
