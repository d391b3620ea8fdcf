"""The certificates that Mistle's runtime trusts, and the tls rung."""

from __future__ import annotations

import asyncio
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from checks.core.check import CheckTimeout, Diagnosis, Layer
from checks.core.recorder import Recorder
from checks.core.roots import Trust
from checks.core.text import foreign
from checks.net.tls_errors import BY_REASON, EXPIRES_SOON, PLAINTEXT_ON_TLS, NotTls

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Upgrade = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

_DAY = 86_400.0


@dataclass(frozen=True)
class PlaintextProbe:
    """How a protocol begins without TLS: a ``request`` that gets a reply, and the ways in which that may begin."""

    request: bytes
    answers: tuple[bytes, ...]

    def matches(self, received: bytes) -> bool:
        """Whether a server of this protocol may have said that, as far as it goes."""
        return any(received.startswith(answer[: len(received)]) for answer in self.answers)


async def check_tls(  # noqa: PLR0913 - where, as whom, and how
    record: Recorder,
    host: str,
    address: tuple[str, int],
    *,
    fields: tuple[str, ...] = ("url",),
    verify: bool = True,
    upgrade: Upgrade | None = None,
    plaintext: PlaintextProbe | None = None,
    trust: Trust | None = None,
) -> None:
    """The tls rung: a handshake at ``address``, with the certificate held to ``host``.

    ``upgrade`` speaks the protocol's own words first (SSLRequest, STARTTLS). ``plaintext`` tells a server that waits
    for more, without TLS, from one that is silent. ``trust`` takes the place of the run's.
    """
    goal = f"TLS, with a certificate for {host} that Mistle trusts" if verify else "TLS, certificate not verified"
    with record.layer(Layer.TLS, goal, proves=fields):
        limit = record.share_of_time(0.5)
        try:
            async with asyncio.timeout(limit):
                certificate = await handshake(
                    trust or record.settings.trust, host, address, verify=verify, upgrade=upgrade
                )
        except TimeoutError:
            received = await first_bytes(address, plaintext.request, record.share_of_time(0.5)) if plaintext else b""
            if plaintext and received and plaintext.matches(received):
                raise NotTls("the server replies without TLS on that port") from None
            raise CheckTimeout(Layer.TLS, limit) from None
        if verify:
            note_expiry(record, certificate)


async def speaks_tls(address: tuple[str, int], limit: float) -> bool:
    """Whether a server at ``address`` completes, or refuses in its words, a TLS handshake."""
    try:
        async with asyncio.timeout(limit):
            await handshake(Trust(), "localhost", address, verify=False)
    except ssl.SSLError as error:
        return BY_REASON.get(error.reason) is not PLAINTEXT_ON_TLS
    except OSError:
        return False
    return True


async def handshake(
    trust: Trust, host: str, address: tuple[str, int], *, verify: bool = True, upgrade: Upgrade | None = None
) -> dict[str, Any]:
    """One handshake, with the certificate held to ``host``. Returns the certificate, empty when it is not verified."""
    reader, writer = await asyncio.open_connection(*address)
    try:
        if upgrade:
            await upgrade(reader, writer)
        # Node.js takes a name with the root's dot for the name without it; OpenSSL does not.
        await writer.start_tls(trust.verified if verify else trust.unverified, server_hostname=host.rstrip("."))
        return writer.get_extra_info("peercert") or {}
    finally:
        writer.transport.abort()


async def first_bytes(
    address: tuple[str, int] | str, request: bytes, limit: float, *, minimum: int = 1, tls: str = ""
) -> bytes:
    """The first bytes of the reply to ``request`` within ``limit`` seconds, at least ``minimum`` of them if they come.

    A string is the address of a Unix socket. ``tls`` is the host to name in a handshake, unverified; "" for none.
    """
    received = b""
    with suppress(OSError):
        async with asyncio.timeout(limit):
            reader, writer = await _open(address)
            transport = writer.transport
            try:
                if tls:
                    await writer.start_tls(Trust().unverified, server_hostname=tls.rstrip("."))
                writer.write(request)
                while len(received) < minimum and (more := await reader.read(4096)):
                    received += more
            finally:
                transport.abort()
    return received


async def _open(address: tuple[str, int] | str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if isinstance(address, str):
        return await asyncio.open_unix_connection(address)
    return await asyncio.open_connection(*address)


def note_expiry(record: Recorder, certificate: dict[str, Any], blames: tuple[str, ...] | None = None) -> None:
    """Keep the last moment of a certificate, as ``getpeercert()`` gives it, as a fact; warn when it is near."""
    end = datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)
    record.facts["certificate_expires"] = end.strftime("%Y-%m-%dT%H:%M:%SZ")
    if soon := expires_soon(certificate):
        record.note(replace(soon, blames=blames))


def expires_soon(certificate: dict[str, Any]) -> Diagnosis | None:
    """A warning when a certificate, as ``getpeercert()`` gives it, is near its end."""
    start, end = (ssl.cert_time_to_seconds(certificate[name]) for name in ("notBefore", "notAfter"))
    days = (end - time.time()) / _DAY
    if days >= min(21, (end - start) / 3 / _DAY):  # who renews by machine does it in the last third
        return None
    return EXPIRES_SOON.diagnosis(f"the certificate expires in {days:.0f} days, on {foreign(certificate['notAfter'])}")
