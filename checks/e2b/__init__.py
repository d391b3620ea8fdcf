"""E2B, as Mistle's planes use it: a sandbox template, built from the base image."""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import json
from dataclasses import dataclass, field
from typing import ClassVar

from checks.core.finding import Diagnosis, Layer
from checks.core.recorder import Recorder
from checks.core.text import foreign
from checks.e2b import causes
from checks.net.endpoint import Endpoint, reach_endpoint
from checks.net.http import IMPORTS, REPLY_READERS, NotHttp
from checks.net.network_errors import NoSuchName
from checks.net.tcp import NetworkCheck, resolve


@dataclass(frozen=True, kw_only=True)
class E2b(NetworkCheck):
    """Proves that E2B accepts the API key, and reports whether the template of Mistle's sandboxes is built.

    Writes nothing: one GET of the template's alias, by the e2b package over our own connection, without its retries
    and independent of E2B_* variables. After a 403, a second GET distinguishes a blocked team from a template of
    another team.
    Needs an API key and HTTPS to api.<domain>; for a template that is not built yet, an image that E2B can pull.
    """

    kind = "e2b"
    causes = causes.CAUSES
    over_http = True
    imports: ClassVar[tuple[str, ...]] = ("checks.e2b.api", *IMPORTS)
    reply_readers: ClassVar[tuple[str, ...]] = (*REPLY_READERS, "e2b", "checks.e2b.api")
    address: ClassVar[tuple[str, ...]] = ("domain",)

    endpoint: Endpoint
    api_key: str = field(repr=False)
    image: str
    cpu_count: int
    memory_mb: int
    public_image: bool = True
    gateway: str = ""

    @property
    def target(self) -> str:
        return f"{self.endpoint.address} {self.alias}"

    @property
    def alias(self) -> str:
        """The template's name, as Mistle computes it: each image, CPU count and memory size has its own template."""
        parts = {"baseRef": self.image, "cpuCount": self.cpu_count, "memoryMb": self.memory_mb}
        text = json.dumps(parts, separators=(",", ":"), ensure_ascii=False)
        return f"mistle-sandbox-base-{hashlib.sha256(text.encode()).hexdigest()[:24]}"

    @property
    def layers(self) -> tuple[Layer, ...]:
        tls = (Layer.TLS,) if self.endpoint.tls else ()
        fitness = (Layer.FITNESS,) if self.gateway else ()
        return (Layer.DNS, Layer.CONNECT, *tls, Layer.AUTH, Layer.ACCESS, *fitness)

    async def run(self, record: Recorder) -> None:
        from checks.e2b.api import BUILT, Api

        await reach_endpoint(record, self.endpoint, self.address)
        with record.layer(Layer.AUTH, "API key accepted", proves=("api_key",)):
            template = await Api(record, self.endpoint, self.api_key).template(self.alias)
        inputs = ("image", "cpu_count", "memory_mb") if template == BUILT else ()
        with record.layer(Layer.ACCESS, f"template {self.alias} looked up", proves=inputs):
            self._note_state(record, template)
        if self.gateway:
            with record.layer(Layer.FITNESS, f"{self.gateway} has a public address, for sandboxes to dial"):
                await self._check_gateway(record)

    def _note_state(self, record: Recorder, template: int) -> None:
        from checks.e2b.api import FOREIGN, MISSING

        if template == FOREIGN:
            record.note(causes.TEMPLATE_FOREIGN.diagnosis(f"{self.alias} exists and belongs to another team"))
        elif template == MISSING and self.public_image:
            record.note(causes.TEMPLATE_NOT_BUILT.diagnosis(f"{self.alias} is built at first start, from {self.image}"))
        elif template == MISSING:
            message = (
                f"{self.alias} is built at first start, and E2B cannot pull {self.image}: it is not on the internet"
            )
            record.note(causes.IMAGE_NOT_PUBLIC.diagnosis(message))

    async def _check_gateway(self, record: Recorder) -> None:
        try:
            async with asyncio.timeout(record.share_of_time(0.5)):
                addresses = await resolve(self.gateway, 443)
        except (OSError, NoSuchName):
            record.skip(Layer.FITNESS, f"not judged: {self.gateway} does not resolve from here")
            return
        if not any(ipaddress.ip_address(address.partition("%")[0]).is_global for address in addresses):
            record.note(
                causes.GATEWAY_NOT_PUBLIC.diagnosis(f"{self.gateway} is {foreign(' and '.join(addresses))} here")
            )

    def diagnose(self, error: Exception) -> Diagnosis | None:
        from httpx import LocalProtocolError

        match error:
            case LocalProtocolError() | UnicodeEncodeError():
                return causes.KEY_REJECTED.diagnosis("the key holds characters that an HTTP header cannot carry")
            case NotHttp():
                return causes.UNEXPECTED_REPLY.diagnosis(str(error))
        return super().diagnose(error)
