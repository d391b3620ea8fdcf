"""Mistle's own services over HTTP: up, the right one, holding to the shared token."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import ClassVar

from checks.core.check import Diagnosis, Layer
from checks.core.recorder import Recorder
from checks.http_service import causes, responses
from checks.http_service.apps import DASHBOARD, GATEWAY, App
from checks.http_service.requests import ask, with_token, without_valid_token
from checks.net.http import (
    IMPORTS,
    REPLY_READERS,
    EndpointCheck,
    NotHttp,
    Reply,
    UnexpectedReply,
    reach_endpoint,
    resolve_only,
)
from checks.net.network_errors import REFUSED


@dataclass(frozen=True, kw_only=True)
class HttpService(EndpointCheck):
    """Proves that a URL leads to the service of Mistle's that it is meant for, and that this service works.

    Health, and identity by openapi.json or the gateway's runtime state. Where services call each other, the shared
    token is accepted, while a wrong one and none are not. The gateway reads its Valkey. The public API lets in the
    dashboard's pages (CORS). The dashboard answers every path with its page.
    Writes nothing: each request is a GET without effect. The token is sent only to what has shown itself to be the
    right service and has refused a wrong one.
    Needs the service to be up: before a deployment only the name is resolved.
    """

    kind = "http_service"
    prefix = "http"
    causes = causes.CAUSES
    imports: ClassVar[tuple[str, ...]] = IMPORTS
    reply_readers: ClassVar[tuple[str, ...]] = (*REPLY_READERS, "checks.http_service.responses")
    above = (Layer.AUTH, Layer.ACCESS)

    app: App
    token: str = field(default="", repr=False)  # "" where no service calls
    origin: str = ""  # of the pages that call; "" where none do
    deployed: bool = True

    async def run(self, record: Recorder) -> None:
        """See who answers, with the token where services call, then whether it works."""
        if not self.deployed:
            await resolve_only(record, self.endpoint, "not up yet")
        else:
            await reach_endpoint(record, self.endpoint)
            await (self._visit(record) if self.app is DASHBOARD else self._call(record))

    async def _visit(self, record: Recorder) -> None:
        made_up = self.endpoint.at(f"/mistle-preflight-{secrets.token_hex(8)}")
        with record.layer(Layer.AUTH, "a page answers", proves=("url",)):
            page, other = await ask(record, (self.endpoint, {}), (made_up, {}))
            responses.page(self.endpoint, page)
        with record.layer(Layer.ACCESS, "every path is the dashboard's page", proves=("url",)):
            responses.same_page(other)

    async def _call(self, record: Recorder) -> None:
        with record.layer(Layer.AUTH, *self._is_itself):
            health, document = await ask(
                record,
                (self.endpoint.at("/__healthz"), {"origin": self.origin} if self.origin else {}),
                (self.endpoint.at("/openapi.json"), {}),
            )
            is_well = responses.health(health)
            self._identify(record, document)
            state = await self._authenticate(record) if self.token else None
        with record.layer(Layer.ACCESS, *self._works):
            if not is_well:
                raise UnexpectedReply(
                    causes.UNHEALTHY, f"GET /__healthz answers {health.summary}, and not that it is well"
                )
            if self.app is GATEWAY:
                responses.reads_valkey(state)
            if self.origin:
                responses.cors(self.origin, health)

    @property
    def _is_itself(self) -> tuple[str, tuple[str, ...]]:
        if self.token:
            return f"{self.app.name} answers, and lets in the shared token alone", ("url", "token")
        return f"{self.app.name} answers", ("url",)

    @property
    def _works(self) -> tuple[str, tuple[str, ...]]:
        if self.origin:
            fields = ("url", "trusted_origins", "dashboard", "api_origin")
            return f"well, and lets in the pages of {self.origin}", fields
        return "well, and reads its Valkey" if self.app is GATEWAY else "well", ("url",)

    def _identify(self, record: Recorder, document: Reply) -> None:
        if release := responses.release(self.app, document):
            record.facts["release"] = release
        elif self.app.title:
            said = f"which of Mistle's services it is, openapi.json does not say: {document.summary}"
            if self.token:
                raise UnexpectedReply(causes.WRONG_SERVICE, said)
            record.skip(Layer.AUTH, said, ("url",))  # a public entrance may well keep it back

    async def _authenticate(self, record: Recorder) -> Reply | None:
        """The answer to the token; None where the gateway gives none in time."""
        route = self.endpoint.at(self.app.route)
        responses.strangers(self.app, await without_valid_token(record, route))
        try:
            reply = await with_token(record, route, self.token)
        except TimeoutError:
            if self.app is GATEWAY:
                return None
            raise
        if not responses.member(self.app, reply):
            record.skip(Layer.AUTH, f"the shared token is not proven: answered {reply.summary}", ("token",))
        return reply

    def diagnose(self, error: Exception) -> Diagnosis | None:
        """What was said decides; what was not said is the network's."""
        import httpx

        match error:
            case NotHttp():
                return causes.NOT_MISTLE.diagnosis(str(error))
            case UnicodeEncodeError() | httpx.LocalProtocolError():
                return causes.TOKEN_UNSENDABLE.diagnosis("the token cannot be put into a header")
        found = super().diagnose(error)
        if found and found.cause is REFUSED and self.app is GATEWAY:
            hint = f"{found.hint}; the gateway listens only once it has reached its Valkey ({{valkey}})"
            return REFUSED.diagnosis(found.message, hint=hint, blames=found.blames)
        return found
