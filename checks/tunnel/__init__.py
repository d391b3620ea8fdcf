"""The gateway's tunnel, which connects browsers and sandboxes."""

from __future__ import annotations

import secrets
import time
import warnings
from dataclasses import dataclass, field, replace
from typing import ClassVar

from checks.core.check import Diagnosis, Layer
from checks.core.recorder import Recorder
from checks.net.http import (
    REPLY_READERS,
    Endpoint,
    EndpointCheck,
    NotHttp,
    Reply,
    UnexpectedReply,
    reach_endpoint,
    resolve_only,
)
from checks.tunnel import causes, responses

_PATH = "/tunnel/sandbox"
_TOKENS = ("secret", "issuer", "audience")
_LIFETIME = 60  # seconds until the token expires


@dataclass(frozen=True, kw_only=True)
class Tunnel(EndpointCheck):
    """Proves that WebSockets reach the gateway, and that it accepts Mistle's connect tokens and requires one.

    Requests a tunnel without a token, which the gateway must refuse (401), then with a token for an invented sandbox,
    which it must accept (409: there is no such sandbox).
    Writes nothing: the gateway decides both before it writes. Nothing is sent after a handshake.
    Needs the gateway to be up: before a deployment only the name is resolved.
    """

    kind = "tunnel"
    causes = causes.CAUSES
    imports: ClassVar[tuple[str, ...]] = ("checks.tunnel.upgrade", "jwt")
    reply_readers: ClassVar[tuple[str, ...]] = (
        *REPLY_READERS,
        *("websockets", "checks.tunnel.responses", "checks.tunnel.upgrade"),
    )
    above = (Layer.AUTH,)

    secret: str = field(repr=False)
    issuer: str
    audience: str
    deployed: bool = True

    async def run(self, record: Recorder) -> None:
        if not self.deployed:
            await resolve_only(record, self.endpoint, "not up yet")
            return
        await reach_endpoint(record, self.endpoint, proof=_refuses_strangers)
        goal = "the gateway keeps out who shows no token, and takes a connect token"
        with record.layer(Layer.AUTH, goal, proves=("url", *_TOKENS)):
            sandbox = f"mistle-preflight-{secrets.token_hex(8)}"
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
        import jwt

        try:
            token = self._connect_token(sandbox)
        except jwt.InvalidKeyError:
            record.skip(Layer.AUTH, "connect tokens are not proven: the secret has the form of a key pair", _TOKENS)
        else:
            responses.require_accepted_token(
                await _request(record, self.endpoint.at(f"/{sandbox}?connect_token={token}"))
            )

    async def _is_below_path(self, record: Recorder, sandbox: str) -> bool:
        """Whether the gateway replies below its usual path, if the URL does not end in that path."""
        bases = () if self.endpoint.path.rstrip("/").endswith(_PATH) else ("/", self.endpoint.path)
        for base in dict.fromkeys(bases):
            reply = await _request(record, replace(self.endpoint, path=base).at(f"{_PATH}/{sandbox}"))
            if responses.is_refusal(reply):
                return True
        return False

    def _connect_token(self, sandbox: str) -> str:
        """A connect token like those of the control-plane API."""
        import jwt

        now = int(time.time())
        claims = {
            "jti": secrets.token_hex(16),
            "iss": self.issuer,
            "aud": self.audience,
            "iat": now,
            "exp": now + _LIFETIME,
        }
        with warnings.catch_warnings(action="ignore"):  # about a short secret: the configuration's rules judge it
            return jwt.encode(claims | {"sandboxInstanceId": sandbox}, self.secret, algorithm="HS256")

    def diagnose(self, error: Exception) -> Diagnosis | None:
        from websockets.exceptions import InvalidHandshake

        if isinstance(error, NotHttp):
            return causes.NOT_GATEWAY.diagnosis(str(error))
        if diagnosis := super().diagnose(error):
            return diagnosis
        if isinstance(error, InvalidHandshake):
            return causes.NOT_GATEWAY.diagnosis("the answer to a request for a WebSocket is not a handshake")
        return None


async def _refuses_strangers(record: Recorder, endpoint: Endpoint) -> bool:
    """Whether the gateway refuses a tunnel at the endpoint, which is the configured one without TLS."""
    return responses.is_refusal(await _request(record, endpoint.at(f"/mistle-preflight-{secrets.token_hex(8)}")))


async def _request(record: Recorder, endpoint: Endpoint) -> Reply:
    from checks.tunnel.upgrade import upgrade

    return await upgrade(record, endpoint)
