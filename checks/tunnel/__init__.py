"""The gateway's tunnel, which connects browsers and sandboxes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

from checks.core.finding import Diagnosis, Layer, StopCheck
from checks.core.recorder import Recorder
from checks.net import tokens
from checks.net.endpoint import Endpoint, EndpointCheck, reach_endpoint, resolve_only
from checks.net.http import IMPORTS, REPLY_READERS, NotHttp, Reply, UnexpectedReply
from checks.net.network_errors import NoSuchName
from checks.net.tcp import resolve
from checks.tunnel import causes, exchange, responses

_PATH = "/tunnel/sandbox"
_TOKENS = ("secret", "issuer", "audience")


@dataclass(frozen=True, kw_only=True)
class Tunnel(EndpointCheck):
    """Proves that WebSockets reach the gateway, and that it accepts Mistle's tokens and requires one.

    Connect tokens: requests a tunnel without a token, which the gateway must refuse (401), then with a token for an
    invented sandbox, which it must accept (409: there is no such sandbox).
    Bootstrap tokens: exchanges a token with a wrong signature, which the gateway must refuse (401), then the right one
    for an invented sandbox, which it must accept (404: its Postgres has no such sandbox). It never opens a tunnel with
    one. A gateway of a release without the exchange leaves these keys unproven.
    Writes nothing: the gateway decides all of it before it writes. Nothing is sent after a handshake.
    Needs the gateway to be up: before a deployment only the name is resolved.
    """

    kind = "tunnel"
    causes = causes.CAUSES
    imports: ClassVar[tuple[str, ...]] = (*IMPORTS, "checks.tunnel.upgrade", "jwt")
    reply_readers: ClassVar[tuple[str, ...]] = (
        *REPLY_READERS,
        *("websockets", "checks.tunnel.responses", "checks.tunnel.upgrade"),
    )
    above = (Layer.AUTH,)

    secret: str = field(repr=False)
    issuer: str
    audience: str
    # What signs the tokens that sandboxes exchange, if any come here.
    bootstrap: exchange.BootstrapSigning | None = None
    unasked: str = ""  # why no token is exchanged, if one should be
    deployed: bool = True
    in_sandboxes: bool = False  # whether the host is a name that Mistle gives to sandboxes, and perhaps nobody else has

    @property
    def layers(self) -> tuple[Layer, ...]:
        return (*super().layers, Layer.ACCESS) if self.bootstrap or self.unasked else super().layers

    async def run(self, record: Recorder) -> None:
        if not self.deployed:
            await resolve_only(record, self.endpoint, "not up yet")
            return
        if self.in_sandboxes and not await _is_known_here(self.endpoint):
            reason = f"not tried: {self.endpoint.host} is a name that Mistle gives to each sandbox, and unknown here"
            for layer in self.layers:
                record.skip(layer, reason, ("url",))
            return
        await reach_endpoint(record, self.endpoint, proof=_refuses_without_token)
        try:
            await self._check_upgrade(record)
        except StopCheck:
            found = {finding.id for finding in record.findings}
            if causes.TOKEN_REJECTED.id in found:  # the gateway may accept bootstrap tokens all the same
                await self._check_exchange(record)
            raise
        await self._check_exchange(record)

    async def _check_exchange(self, record: Recorder) -> None:
        if self.unasked:
            exchange.skip(record, self.unasked)
        elif self.bootstrap:
            await exchange.check(record, self.endpoint, self.bootstrap)

    async def _check_upgrade(self, record: Recorder) -> None:
        goal = "the gateway refuses a request without a token, and accepts a connect token"
        with record.layer(Layer.AUTH, goal, proves=("url", *_TOKENS)):
            sandbox = tokens.invented_sandbox()
            await self._without_token(record, sandbox)
            await self._with_token(record, sandbox)

    async def _without_token(self, record: Recorder, sandbox: str) -> None:
        try:
            responses.require_refusal(await _request(record, self.endpoint.at(f"/{sandbox}")))
        except UnexpectedReply as error:
            if error.cause is causes.NOT_GATEWAY and await self._is_below_path(record, sandbox):
                raise UnexpectedReply(causes.PATH_MISSING, f"{error}; below {_PATH} it is") from error
            raise

    async def _with_token(self, record: Recorder, sandbox: str) -> None:
        try:
            token = tokens.signed(self.secret, tokens.claims(self.issuer, self.audience, sandbox))
        except tokens.UnusableSecret as error:
            record.skip(Layer.AUTH, f"connect tokens are not proven: {error}", _TOKENS)
        else:
            responses.require_accepted_token(
                await _request(record, self.endpoint.at(f"/{sandbox}?connect_token={token}"))
            )

    async def _is_below_path(self, record: Recorder, sandbox: str) -> bool:
        """Whether the gateway replies below its usual path, if the URL does not end in that path."""
        path = self.endpoint.path.partition("?")[0]
        bases = () if path.rstrip("/").endswith(_PATH) else ("/", path)
        for base in dict.fromkeys(bases):
            reply = await _request(record, replace(self.endpoint, path=base).at(f"{_PATH}/{sandbox}"))
            if responses.is_refusal(reply):
                return True
        return False

    def diagnose(self, error: Exception) -> Diagnosis | None:
        from websockets.exceptions import InvalidHandshake

        if isinstance(error, NotHttp):
            return causes.NOT_GATEWAY.diagnosis(str(error))
        if diagnosis := super().diagnose(error):
            return diagnosis
        if isinstance(error, InvalidHandshake):
            return causes.NOT_GATEWAY.diagnosis("the reply to a request for a WebSocket is not a handshake")
        return None


async def _refuses_without_token(record: Recorder, endpoint: Endpoint) -> bool:
    """Whether the gateway refuses a tunnel at the endpoint, which is the configured one without TLS."""
    return responses.is_refusal(await _request(record, endpoint.at(f"/{tokens.invented_sandbox()}")))


async def _request(record: Recorder, endpoint: Endpoint) -> Reply:
    from checks.tunnel.upgrade import upgrade

    return await upgrade(record, endpoint)


async def _is_known_here(endpoint: Endpoint) -> bool:
    try:
        await resolve(endpoint.host, endpoint.port)
    except (OSError, NoSuchName):
        return False
    return True
