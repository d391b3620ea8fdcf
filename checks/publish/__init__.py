"""The domain under which sandboxes are published: its names resolve to one ingress, and the gateway serves them."""

from __future__ import annotations

import asyncio
import secrets
import socket
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import ClassVar

from checks.core.finding import CheckTimeout, Diagnosis, Layer, Status, StopCheck
from checks.core.recorder import Recorder
from checks.core.text import foreign
from checks.net import tokens
from checks.net.addresses import ConnectFailed
from checks.net.endpoint import Endpoint
from checks.net.handshake import handshake
from checks.net.http import IMPORTS, REPLY_READERS, NotHttp
from checks.net.network_errors import NoSuchName
from checks.net.tcp import NetworkCheck, connect_any, resolve
from checks.publish import causes, responses, routes

_MORE = 6  # names that are resolved too, if the first two resolve to different addresses


_SIGNED, _COOKIE = ("secret", "issuer", "audience"), ("cookie_secret",)


@dataclass(frozen=True, kw_only=True)
class Publish(NetworkCheck):
    """Proves that published sandboxes can be reached: names below the domain resolve, and the gateway serves them.

    Two invented names below the domain must resolve to one ingress. In production it also proves that the ingress
    accepts connections, and has a certificate for these names. The gateway, at its internal URL, must refuse an access
    token and a session's cookie with a wrong signature (401), and accept the right ones for an invented sandbox below
    the domain (502: it is not connected). What a gateway does not know or cannot be asked is left unproven.
    Writes nothing: each request is a GET that the gateway decides before it writes.
    Needs DNS, and in production a route to the ingress; the gateway to be up, and a route to its internal URL.
    """

    kind = "publish"
    causes = causes.CAUSES
    imports: ClassVar[tuple[str, ...]] = (*IMPORTS, "jwt")
    reply_readers: ClassVar[tuple[str, ...]] = REPLY_READERS
    address: ClassVar[tuple[str, ...]] = ("domain",)

    domain: str
    tls: bool
    port: int = 443
    looked_up: bool = True  # whether names below the domain are in DNS
    gateway: Endpoint | None = None
    signing: routes.PublishSigning | None = None  # without it the gateway is not asked
    unasked: str = ""  # why the gateway is not asked, if it should be

    @property
    def target(self) -> str:
        return f"*.{self.domain}"

    @property
    def server_address(self) -> tuple[str, int] | None:
        """The ingress, by the names that lead to it; None if no name is looked up."""
        return (f"*.{self.domain}", self.port) if self.looked_up else None

    @property
    def layers(self) -> tuple[Layer, ...]:
        ingress = (Layer.CONNECT, Layer.TLS) if self.tls else ()
        asked = (Layer.AUTH, Layer.ACCESS) if self.signing or self.unasked else ()
        return (*((Layer.DNS, *ingress) if self.looked_up else ()), *asked)

    async def run(self, record: Recorder) -> None:
        served = await self._is_served(record)
        if self.looked_up:
            await self._reach_ingress(record)
        if not served:
            raise StopCheck

    async def _is_served(self, record: Recorder) -> bool:
        """Whether the gateway finds nothing wrong, as far as it can be asked."""
        if self.unasked:
            self._skip(record, self.unasked)
        if not (self.signing and self.gateway) or self.unasked:
            return True
        try:
            async with asyncio.timeout(record.share_of_time(0.5)):
                replies = await routes.request_all(record, self.gateway, self.domain, self.signing)
        except Exception as error:
            if not (reason := self._unreachable(error)):
                raise
            self._skip(record, f"not proven: {reason}")
            return True
        served, token = f"the gateway serves the names below {self.domain}", responses.access_token(replies)
        outcomes = (
            _passes(record, Layer.AUTH, "the gateway accepts an access token", _SIGNED, token),
            _passes(record, Layer.AUTH, "the gateway accepts a session's cookie", _COOKIE, responses.cookie(replies)),
            _passes(record, Layer.ACCESS, served, ("domain",), responses.domain(replies)),
        )
        return all(outcomes)

    def _skip(self, record: Recorder, reason: str) -> None:
        record.skip(Layer.AUTH, reason, (*_SIGNED, *_COOKIE))
        record.skip(Layer.ACCESS, reason, ("domain",))

    def _unreachable(self, error: Exception) -> str:
        """Why the gateway gave no replies; "" for a bug. Its own check judges that it can be reached."""
        import httpx

        match error:
            case tokens.UnusableSecret() | NotHttp():
                return str(error)
            case UnicodeEncodeError() | httpx.LocalProtocolError():
                return "the domain cannot be put into a header"
        diagnosis = super().diagnose(error)
        why = diagnosis.message if diagnosis else isinstance(error, httpx.TransportError) and "no connection"
        return f"the gateway at {self.gateway.shown if self.gateway else ''} cannot be asked: {why}" if why else ""

    async def _reach_ingress(self, record: Recorder) -> None:
        names = [f"preflight-{secrets.token_hex(8)}.{self.domain}" for _ in range(2 + _MORE)]
        with record.layer(Layer.DNS, f"every name below {self.domain} resolves", proves=("domain",)):
            first, second = await asyncio.gather(*(resolve(name, self.port) for name in names[:2]))
            if set(first).isdisjoint(second) and not await self._is_one_ingress({*first, *second}, names[2:]):
                addresses = foreign(f"{first[0]} and {second[0]}")
                message = f"two names below {self.domain} lead to different addresses: {addresses}"
                record.note(causes.NO_WILDCARD.diagnosis(message, status=Status.WARN))
        if self.tls:
            both = tuple(dict.fromkeys(first + second))
            address = await connect_any(record, names[0], both, self.port, self.address)
            with record.layer(Layer.TLS, f"the certificate covers *.{self.domain}", proves=("domain",)):
                await self._handshake(record, names[0], address)

    async def _is_one_ingress(self, seen: set[str], names: list[str]) -> bool:
        """Whether more names resolve to addresses seen before: a load balancer's name has other addresses each time."""
        for addresses in await asyncio.gather(*(resolve(name, self.port) for name in names)):
            if not seen.isdisjoint(addresses):
                return True
            seen.update(addresses)
        return False

    async def _handshake(self, record: Recorder, name: str, address: str) -> None:
        limit = record.share_of_time(0.8)
        try:
            async with asyncio.timeout(limit):
                await handshake(record.settings.trust, name, (address, self.port))
        except TimeoutError:
            raise CheckTimeout(Layer.TLS, limit) from None

    def diagnose(self, error: Exception) -> Diagnosis | None:
        """A name that does not resolve blames the wildcard record; an error of the ingress blames its certificate."""
        diagnosis = super().diagnose(error)
        match error:
            case ConnectFailed() | CheckTimeout(layer=Layer.CONNECT):
                return diagnosis and replace(diagnosis, status=Status.WARN)
            case NoSuchName():
                return causes.NO_WILDCARD.diagnosis(f"a made-up name below {self.domain} does not resolve")
            case socket.gaierror() | CheckTimeout(layer=Layer.DNS):
                return diagnosis
        return diagnosis and causes.certificate(self.port, diagnosis)


def _passes(record: Recorder, layer: Layer, goal: str, proves: tuple[str, ...], outcome: Diagnosis | str) -> bool:
    """Record one layer of the gateway, which hides no other. ``outcome``: as in ``responses``."""
    with suppress(StopCheck), record.layer(layer, goal, proves):
        if isinstance(outcome, Diagnosis):
            record.note(outcome)
        elif outcome:
            record.skip(layer, f"not proven: {outcome}", proves)
    return not isinstance(outcome, Diagnosis)
