"""Mistle's own services over HTTP: each is up, is the right one, and requires the shared token."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace
from typing import ClassVar

from checks.core.finding import Diagnosis, Layer
from checks.core.recorder import Recorder
from checks.http_service import causes, dashboard, dependencies, responses
from checks.http_service.apps import DASHBOARD, GATEWAY, SIGN_IN, App
from checks.http_service.requests import get_all, with_token, without_valid_token
from checks.net.endpoint import Endpoint, EndpointCheck, reach_endpoint, resolve_only
from checks.net.http import IMPORTS, REPLY_READERS, NotHttp, Reply, UnexpectedReply
from checks.net.network_errors import REFUSED


@dataclass(frozen=True, kw_only=True)
class HttpService(EndpointCheck):
    """Proves that a URL leads to the Mistle service that it is meant for, and that this service works.

    It checks health, and identity by openapi.json or the gateway's runtime state. Where services call each other, the
    service must accept the shared token and refuse a wrong token and no token. The gateway must read its Valkey, each
    API its Postgres, and the control plane's API must reach the data plane's: they are asked for a sandbox and for a
    credential that do not exist. The public API must reply to /v1/auth/ok and allow the dashboard's pages (CORS). The
    dashboard must return Mistle's page for every path, and be built for the API's origin; if that is its own, /v1/ must
    lead to the API there.
    Writes nothing: each request only reads. The token is sent only to a server that replies as one of Mistle's
    services, does not call itself another one, and has refused a wrong token.
    Needs the service to be up: before a deployment only the name is resolved.
    """

    kind = "http_service"
    prefix = "http"
    causes = causes.CAUSES
    imports: ClassVar[tuple[str, ...]] = IMPORTS
    reply_readers: ClassVar[tuple[str, ...]] = (
        *REPLY_READERS,
        "checks.http_service.responses",
        "checks.http_service.dashboard",
    )
    above = (Layer.AUTH, Layer.ACCESS)

    app: App
    token: str = field(default="", repr=False)  # "" if no other service calls this one
    origin: str = ""  # the origin of the pages that call it; "" if none do
    needs_cors: bool = True  # whether these pages call it at another origin than their own
    api_origin: str = ""  # of the dashboard: the origin that its pages should call; "" if that is not known
    deployed: bool = True

    async def run(self, record: Recorder) -> None:
        if not self.deployed:
            await resolve_only(record, self.endpoint, "not up yet")
        else:
            await reach_endpoint(record, self.endpoint, proof=None if self.app is DASHBOARD else _replies_well)
            await (self._check_dashboard(record) if self.app is DASHBOARD else self._check_service(record))

    async def _check_dashboard(self, record: Recorder) -> None:
        invented = self.endpoint.at(f"/mistle-preflight-{secrets.token_hex(8)}")
        with record.layer(Layer.AUTH, "Mistle's dashboard answers", proves=("url",)):
            page, other = await get_all(record, (self.endpoint, {}), (invented, {}))
            responses.page(self.endpoint, page)
            built = await dashboard.api_origin(record, self.endpoint, page)
        proves = ("url", "api_origin") if built and self.api_origin else ("url",)
        goal = "every path is the dashboard's page" + (f", which calls {self.api_origin}" if len(proves) > 1 else "")
        with record.layer(Layer.ACCESS, goal, proves=proves):
            responses.same_page(other)
            called = built or self.api_origin
            is_own = bool(called) and dashboard.is_own_origin(self.endpoint, called)
            if is_own:
                (sign_in,) = await get_all(record, (replace(self.endpoint, path=SIGN_IN), {}))
                responses.require_sign_in(sign_in, blames=("api_origin",))
            if mismatch := dashboard.mismatch(self.endpoint, self.api_origin, built, works=is_own):
                record.note(mismatch)

    async def _check_service(self, record: Recorder) -> None:
        with record.layer(Layer.AUTH, *self._auth_goal):
            headers = {"origin": self.origin} if self.origin else {}
            health, document, *sign_in = await get_all(
                record,
                (self.endpoint.at("/__healthz"), headers),
                (self.endpoint.at("/openapi.json"), {}),
                *(() if self.token else [(self.endpoint.at(SIGN_IN), headers)]),
            )
            if sign_in:
                is_healthy = responses.public_api(self.app, health, document, *sign_in)
            else:
                is_healthy = responses.health(health)
            self._check_identity(record, document, is_known=any(map(responses.signs_in, sign_in)))
            if self.token:
                responses.in_time("GET /__healthz", health)
            state = await self._check_token(record) if self.token else None
        read = self.app.reads if state and state.status == self.app.accepted else ()
        with record.layer(Layer.ACCESS, *self._access_goal(read)):
            if not is_healthy:
                raise UnexpectedReply(
                    causes.UNHEALTHY, f"GET /__healthz answers {health.summary}, and not that it is healthy"
                )
            if self.app is GATEWAY:
                responses.require_runtime_state(state)
            for sent, reply in (await dependencies.check(record, self.endpoint, self.token, read)).items():
                responses.in_time(sent, reply)
            if self.origin:
                self._check_cors(record, health, *sign_in)

    @property
    def _auth_goal(self) -> tuple[str, tuple[str, ...]]:
        if self.token:
            return f"{self.app.name} answers, and accepts only the shared token", ("url", "token")
        return f"{self.app.name} answers", ("url",)

    def _access_goal(self, read: tuple[dependencies.DependencyProbe, ...]) -> tuple[str, tuple[str, ...]]:
        if self.origin:
            fields = ("url", "trusted_origins", "dashboard", "api_origin")
            return f"healthy, and allows the pages of {self.origin}", fields
        about = ["its Valkey"] if self.app is GATEWAY else [each.about for each in read]
        return f"healthy, and reads {' and '.join(about)}" if about else "healthy", ("url",)

    def _check_identity(self, record: Recorder, document: Reply, *, is_known: bool) -> None:
        if release := responses.release(self.app, document):
            record.facts["release"] = release
        elif self.app.title and not is_known:
            message = f"which of Mistle's services it is, openapi.json does not say: {document.summary}"
            if self.token and responses.is_blocked(document):
                record.note(causes.DOCUMENT_BLOCKED.diagnosis(f"GET /openapi.json answers {document.summary}"))
            elif self.token:
                raise UnexpectedReply(causes.WRONG_SERVICE, message)
            else:
                record.skip(Layer.AUTH, message, ("url",))  # a public URL may hide openapi.json on purpose

    def _check_cors(self, record: Recorder, *replies: Reply) -> None:
        """The API allows the pages to read its reply."""
        try:
            responses.cors(self.origin, responses.of_the_api(replies))
        except UnexpectedReply as error:
            if self.needs_cors:
                raise
            message = f"the pages call their own origin, so CORS is not needed, and proves nothing: {error}"
            record.skip(Layer.ACCESS, message, ("trusted_origins",))

    async def _check_token(self, record: Recorder) -> Reply | None:
        """The reply to the request with the token; None if the gateway does not reply in time."""
        route = self.endpoint.at(self.app.route)
        refusals = await without_valid_token(record, route)
        responses.require_refusals(self.app, refusals)
        responses.in_time(f"GET {self.app.route}", *refusals.values())
        try:
            reply = await with_token(record, route, self.token)
        except TimeoutError:
            if self.app is GATEWAY:
                return None
            raise
        responses.in_time(f"GET {self.app.route}", reply)
        if not responses.accepts_token(self.app, reply):
            record.skip(Layer.AUTH, f"the shared token is not proven: answered {reply.summary}", ("token",))
        return reply

    def diagnose(self, error: Exception) -> Diagnosis | None:
        """Map replies first; everything else is a network error."""
        import httpx

        match error:
            case NotHttp():
                return causes.NOT_MISTLE.diagnosis(str(error))
            case UnicodeEncodeError() | httpx.LocalProtocolError():
                return causes.TOKEN_UNSENDABLE.diagnosis("the token cannot be put into a header")
        diagnosis = super().diagnose(error)
        if diagnosis and diagnosis.cause is REFUSED and self.app is GATEWAY:
            hint = f"{diagnosis.hint}; the gateway listens only once it has reached its Valkey ({{valkey}})"
            return replace(diagnosis, hint=hint)
        return diagnosis


async def _replies_well(record: Recorder, endpoint: Endpoint) -> bool:
    """Whether one of Mistle's services replies at the endpoint, which is the configured one without TLS."""
    (reply,) = await get_all(record, (endpoint.at("/__healthz"), {}))
    return responses.health(reply)
