"""The domain under which sandboxes are published: every name below it resolves to one ingress."""

from __future__ import annotations

import asyncio
import secrets
import socket
from dataclasses import dataclass, replace
from typing import ClassVar

from checks.core.check import Cause, CheckTimeout, Diagnosis, Layer, Status, causes_in
from checks.core.recorder import Recorder
from checks.core.text import foreign
from checks.net.addresses import ConnectFailed
from checks.net.handshake import handshake
from checks.net.network_errors import NoSuchName
from checks.net.tcp import NetworkCheck, connect_any, resolve

NO_WILDCARD = Cause(
    "publish.no-wildcard",
    Layer.DNS,
    "a name below the domain does not resolve: published sandboxes cannot be reached",
    "add a wildcard record *.<domain> that leads to the gateway's ingress, or correct {domain}",
    heals=True,
)
NO_CERTIFICATE = Cause(
    "publish.no-certificate",
    Layer.TLS,
    "the ingress has no certificate that covers the names below the domain",
    "give the ingress of {domain} a certificate for *.<domain>",
    status=Status.WARN,
)
_MORE = 6  # names that are resolved too, if the first two resolve to different addresses


@dataclass(frozen=True, kw_only=True)
class Publish(NetworkCheck):
    """Proves that published sandboxes can be reached: two invented names below the domain resolve to one ingress.

    In production it also proves that the ingress accepts connections, and has a certificate for these names.
    Writes nothing.
    Needs DNS, and in production a route to the ingress.
    """

    kind = "publish"
    causes = causes_in(globals())
    address: ClassVar[tuple[str, ...]] = ("domain",)

    domain: str
    tls: bool
    port: int = 443

    @property
    def target(self) -> str:
        return f"*.{self.domain}"

    @property
    def layers(self) -> tuple[Layer, ...]:
        return (Layer.DNS, Layer.CONNECT, Layer.TLS) if self.tls else (Layer.DNS,)

    async def run(self, record: Recorder) -> None:
        names = [f"preflight-{secrets.token_hex(8)}.{self.domain}" for _ in range(2 + _MORE)]
        with record.layer(Layer.DNS, f"every name below {self.domain} resolves", proves=("domain",)):
            first, second = await asyncio.gather(*(resolve(name, self.port) for name in names[:2]))
            if set(first).isdisjoint(second) and not await self._is_one_ingress({*first, *second}, names[2:]):
                addresses = foreign(f"{first[0]} and {second[0]}")
                message = f"two names below {self.domain} lead to different addresses: {addresses}"
                record.note(NO_WILDCARD.diagnosis(message, status=Status.WARN))
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
            case NoSuchName() | socket.gaierror(errno=socket.EAI_NONAME | socket.EAI_NODATA):
                return NO_WILDCARD.diagnosis(f"a made-up name below {self.domain} does not resolve")
            case socket.gaierror() | CheckTimeout(layer=Layer.DNS):
                return diagnosis
        return diagnosis and NO_CERTIFICATE.diagnosis(f"at port {self.port}: {diagnosis.message}")
