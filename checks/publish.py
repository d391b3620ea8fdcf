"""The domain under which sandboxes are published: every name below it leads to one ingress."""

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
from checks.net.network_errors import NoSuchName
from checks.net.tcp import NetworkCheck, connect_any, resolve
from checks.net.tls import handshake

NO_WILDCARD = Cause(
    "publish.no-wildcard",
    Layer.DNS,
    "a name below the domain does not resolve: published sandboxes cannot be reached",
    "add a wildcard record *.<domain> that leads to the gateway's ingress, or correct {domain}",
)
NO_CERTIFICATE = Cause(
    "publish.no-certificate",
    Layer.TLS,
    "the ingress shows no certificate that covers the names below the domain",
    "give the ingress of {domain} a certificate for *.<domain>",
    status=Status.WARN,
)
_MORE = 6  # names, where two lead to different addresses


@dataclass(frozen=True, kw_only=True)
class Publish(NetworkCheck):
    """Proves that published sandboxes can be reached: two made-up names below the domain lead to one ingress.

    In production the ingress also accepts connections, and shows a certificate for them.
    Writes nothing.
    Needs DNS, and in production a way to the ingress.
    """

    kind = "publish"
    causes = causes_in(globals())
    address: ClassVar[tuple[str, ...]] = ("domain",)

    domain: str
    tls: bool
    port: int = 443

    @property
    def target(self) -> str:
        """The wildcard."""
        return f"*.{self.domain}"

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The rungs to the ingress are there in production."""
        return (Layer.DNS, Layer.CONNECT, Layer.TLS) if self.tls else (Layer.DNS,)

    async def run(self, record: Recorder) -> None:
        """Look up two names, then greet the first one's ingress."""
        names = [f"preflight-{secrets.token_hex(8)}.{self.domain}" for _ in range(2 + _MORE)]
        with record.layer(Layer.DNS, f"every name below {self.domain} resolves", proves=("domain",)):
            first, second = await asyncio.gather(*(resolve(name, self.port) for name in names[:2]))
            if set(first).isdisjoint(second) and not await self._is_one_ingress({*first, *second}, names[2:]):
                found = foreign(f"{first[0]} and {second[0]}")
                message = f"two names below {self.domain} lead to different addresses: {found}"
                record.note(NO_WILDCARD.diagnosis(message, status=Status.WARN))
        if self.tls:
            addresses = tuple(dict.fromkeys(first + second))
            address = await connect_any(record, names[0], addresses, self.port, self.address)
            with record.layer(Layer.TLS, f"the certificate covers *.{self.domain}", proves=("domain",)):
                await self._greet(record, names[0], address)

    async def _is_one_ingress(self, met: set[str], names: list[str]) -> bool:
        """Whether other names lead to addresses that were met before: a balancer tells some of its own each time."""
        answers = await asyncio.gather(*(resolve(name, self.port) for name in names))
        for answer in answers:
            if not met.isdisjoint(answer):
                return True
            met.update(answer)
        return False

    async def _greet(self, record: Recorder, name: str, address: str) -> None:
        limit = record.share_of_time(0.8)
        try:
            async with asyncio.timeout(limit):
                await handshake(record.settings.trust, name, (address, self.port))
        except TimeoutError:
            raise CheckTimeout(Layer.TLS, limit) from None

    def diagnose(self, error: Exception) -> Diagnosis | None:
        """A name that is not there is the wildcard's fault; whatever an ingress then does, it shows no certificate."""
        found = super().diagnose(error)
        match error:
            case ConnectFailed() | CheckTimeout(layer=Layer.CONNECT):
                return found and replace(found, status=Status.WARN)
            case NoSuchName() | socket.gaierror(errno=socket.EAI_NONAME | socket.EAI_NODATA):
                return NO_WILDCARD.diagnosis(f"a made-up name below {self.domain} does not resolve")
            case socket.gaierror() | CheckTimeout(layer=Layer.DNS):
                return found
        return found and NO_CERTIFICATE.diagnosis(f"at port {self.port}: {found.message}")
