"""The tls layer, and the other TLS handshakes that checks make."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from checks.core.finding import CheckTimeout, Diagnosed, Diagnosis, Layer
from checks.core.recorder import SLOW, Recorder
from checks.core.roots import Trust
from checks.core.text import foreign
from checks.net import certificates
from checks.net.addresses import is_address
from checks.net.handshake import HandshakeFailed, HandshakeProgress, Upgrade, handshake
from checks.net.network_errors import ADDRESS_UNREACHABLE
from checks.net.server_name import try_name
from checks.net.tls_errors import BY_REASON, EXPIRES_SOON, PLAINTEXT_ON_TLS, NotTls, Stalled

if TYPE_CHECKING:
    Proof = Callable[[], Awaitable[bool]]

_DAY = 86_400.0


@dataclass(frozen=True)
class PlaintextProbe:
    """How a protocol begins without TLS: a ``request``, and the first bytes that a reply to it may have."""

    request: bytes
    replies: tuple[bytes, ...]

    def matches(self, received: bytes) -> bool:
        """Whether these may be the first bytes of a server of this protocol."""
        return any(received.startswith(reply[: len(received)]) for reply in self.replies)


async def check_tls(  # noqa: PLR0913 - what a handshake depends on
    record: Recorder,
    host: str,
    address: tuple[str, int],
    *,
    fields: tuple[str, ...] = ("url",),
    verify: bool = True,
    upgrade: Upgrade | None = None,
    plaintext: PlaintextProbe | None = None,
    proof: Proof | None = None,
    trust: Trust | None = None,
    sends_name: bool = True,
) -> None:
    """The tls layer: a handshake at ``address``; the certificate must be valid for ``host``.

    ``upgrade`` first asks for TLS in the protocol (SSLRequest, STARTTLS). After a time-out, ``plaintext`` distinguishes
    a server that replies from a silent one. Only ``proof``, which sends a request without TLS and judges the reply,
    shows that plaintext leads to the right service. ``trust`` replaces the trust of the run. ``sends_name``:
    Mistle's client sends the host's name in the handshake.
    """
    goal = f"TLS, with a certificate for {host} that Mistle trusts" if verify else "TLS, certificate not verified"
    with record.layer(Layer.TLS, goal, proves=fields):
        limit, progress, started = record.share_of_time(0.5), HandshakeProgress(), time.monotonic()
        shake = partial(handshake, trust or record.settings.trust, host, verify=verify, upgrade=upgrade)
        try:
            async with asyncio.timeout(limit):
                certificate = await shake(address, progress=progress)
        except HandshakeFailed as error:
            record.facts |= certificates.issuer_of(error)
            if proof and _is_plaintext(error):
                await _raise_if_proven(record, proof)
            raise
        except TimeoutError:
            await _raise_if_alive(record, address, plaintext, proof)
            if progress.is_begun:
                raise Stalled(f"the server began a TLS handshake, and did not end it within {limit:.3g} s") from None
            raise CheckTimeout(Layer.TLS, limit) from None
        if record.waits.seconds(started) >= SLOW:
            record.replied(started)  # a quick handshake proves no service: the port may be another's
        if verify:
            note_expiry(record, certificate)
        await _try_others(record, address, shake)
        sent = host if sends_name else None
        if sent != host.rstrip(".") and not is_address(host):
            trusted = trust or record.settings.trust
            context = trusted.any_name if verify else trusted.unverified
            await try_name(context, host, sent, address, record.share_of_time(0.5), upgrade)


async def _try_others(record: Recorder, address: tuple[str, int], shake: Callable[..., Awaitable[object]]) -> None:
    """The same handshake at other addresses of the host. Raises Diagnosed for the first that fails."""
    others, limit = [(each, *address[1:]) for each in record.others], record.share_of_time(0.3)
    outcomes = await asyncio.gather(*(asyncio.wait_for(shake(each), limit) for each in others), return_exceptions=True)
    for (other, _), outcome in zip(others, outcomes, strict=True):
        if isinstance(outcome, TimeoutError):
            text = f"{other} accepts connections, and ends no TLS handshake within {limit:.3g} s; {address[0]} does"
            record.note(ADDRESS_UNREACHABLE.diagnosis(text))
        elif isinstance(outcome, Exception):
            diagnosis = record.check.diagnose(outcome)
            if diagnosis is None:
                raise outcome
            message = f"at {other}, another address of the same name, and not at {address[0]}: {diagnosis.message}"
            raise Diagnosed(replace(diagnosis, message=message)) from outcome


async def _raise_if_alive(
    record: Recorder, address: tuple[str, int], plaintext: PlaintextProbe | None, proof: Proof | None
) -> None:
    """After a handshake that got no end: raise NotTls or Stalled if the server reacts to a small plaintext request."""
    if not plaintext:
        return
    received = await reaction(address, plaintext.request, record.share_of_time(0.5))
    if received and plaintext.matches(received):
        if proof:
            await _raise_if_proven(record, proof)
        raise Stalled("the server replies to a request without TLS, and not to a TLS handshake") from None
    if received is not None:
        reacts = "replies to" if received else "closes a connection after"
        raise Stalled(f"the server {reacts} a small message, and sends nothing in a TLS handshake") from None


async def _raise_if_proven(record: Recorder, proof: Proof) -> None:
    is_proven = False
    with suppress(Exception):  # whatever the error is: it is not the right service
        async with asyncio.timeout(record.share_of_time(0.6)):
            is_proven = await proof()
    if is_proven:
        raise NotTls("without TLS, the right service replies on that port")


def _is_plaintext(error: HandshakeFailed) -> bool:
    """Whether the server replied to a handshake without TLS."""
    return isinstance(error.__cause__, ssl.SSLError) and BY_REASON.get(error.__cause__.reason) is PLAINTEXT_ON_TLS


async def uses_tls(address: tuple[str, int], limit: float) -> bool:
    """Whether a server at ``address`` completes a TLS handshake, or refuses one with a TLS alert.

    One that closes the connection without a byte proves nothing.
    """
    try:
        async with asyncio.timeout(limit):
            await handshake(Trust(), "localhost", address, verify=False)
    except HandshakeFailed as error:
        return not _is_plaintext(error)
    except OSError:
        return False
    return True


async def first_bytes(
    address: tuple[str, int] | str, request: bytes, limit: float, *, minimum: int = 1, tls: str = ""
) -> bytes:
    """The first bytes of the reply to ``request`` within ``limit`` seconds, at least ``minimum`` of them if they come.

    If ``address`` is a string, it is the path of a Unix socket. ``tls`` is the host name for a handshake without
    verification; "" for no TLS.
    """
    return await reaction(address, request, limit, minimum=minimum, tls=tls) or b""


async def reaction(
    address: tuple[str, int] | str, request: bytes, limit: float, *, minimum: int = 1, tls: str = ""
) -> bytes | None:
    """As ``first_bytes``; None if the server sends nothing in time, b"" if it closes or resets the connection."""
    received: bytes | None = None
    with suppress(TimeoutError, OSError):
        async with asyncio.timeout(limit):
            reader, writer = await _open(address)
            transport = writer.transport
            try:
                if tls:
                    await writer.start_tls(Trust().unverified, server_hostname=tls.rstrip("."))
                writer.write(request)
                while len(received or b"") < minimum:
                    more = await _read(reader)
                    received = (received or b"") + more
                    if not more:
                        break
            finally:
                transport.abort()
    return received


async def _read(reader: asyncio.StreamReader) -> bytes:
    """b"" at the end of the connection, however it came."""
    try:
        return await reader.read(4096)
    except ConnectionError:
        return b""


async def _open(address: tuple[str, int] | str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if isinstance(address, str):
        return await asyncio.open_unix_connection(address)
    return await asyncio.open_connection(*address)


def note_expiry(record: Recorder, certificate: dict[str, Any], blames: tuple[str, ...] | None = None) -> None:
    """Record as a fact when a certificate, as of ``getpeercert()``, expires; warn if that is soon."""
    end = datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)
    record.facts["certificate_expires"] = end.strftime("%Y-%m-%dT%H:%M:%SZ")
    if soon := expires_soon(certificate):
        record.note(replace(soon, blames=blames))


def expires_soon(certificate: dict[str, Any]) -> Diagnosis | None:
    """A warning if a certificate, as of ``getpeercert()``, expires soon."""
    start, end = (ssl.cert_time_to_seconds(certificate[name]) for name in ("notBefore", "notAfter"))
    days = (end - time.time()) / _DAY
    if days >= min(21, (end - start) / 3 / _DAY):  # automatic renewal happens in the last third
        return None
    return EXPIRES_SOON.diagnosis(f"the certificate expires in {days:.0f} days, on {foreign(certificate['notAfter'])}")
