"""The gateway's tunnel, through which browsers and sandboxes reach each other."""

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
_LIFE = 60  # seconds that the token is good for


@dataclass(frozen=True, kw_only=True)
class Tunnel(EndpointCheck):
    """Proves that WebSockets reach the gateway, and that it takes the connect tokens that Mistle mints, and no others.

    Asks for a tunnel without a token, which must be refused (401), then with a token for an invented sandbox, which
    must be taken (409: there is no such sandbox).
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
        """Knock without a token, then with one."""
        if not self.deployed:
            await resolve_only(record, self.endpoint, "not up yet")
            return
        await reach_endpoint(record, self.endpoint)
        goal = "the gateway keeps out who shows no token, and takes a connect token"
        with record.layer(Layer.AUTH, goal, proves=("url", *_TOKENS)):
            sandbox = f"mistle-preflight-{secrets.token_hex(8)}"
            await self._as_stranger(record, sandbox)
            await self._as_member(record, sandbox)

    async def _as_stranger(self, record: Recorder, sandbox: str) -> None:
        try:
            responses.to_stranger(await _ask(record, self.endpoint.at(f"/{sandbox}")))
        except UnexpectedReply as error:
            if error.cause is causes.NOT_GATEWAY and await self._is_elsewhere(record, sandbox):
                raise UnexpectedReply(causes.PATH_MISSING, f"{error}; below {_PATH} it is") from error
            raise

    async def _as_member(self, record: Recorder, sandbox: str) -> None:
        import jwt

        try:
            token = self._mint(sandbox)
        except jwt.InvalidKeyError:
            record.skip(Layer.AUTH, "connect tokens are not proven: the secret has the form of a key pair", _TOKENS)
        else:
            responses.to_member(await _ask(record, self.endpoint.at(f"/{sandbox}?connect_token={token}")))

    async def _is_elsewhere(self, record: Recorder, sandbox: str) -> bool:
        """Whether the gateway answers below its usual path, when the URL does not end in it."""
        places = () if self.endpoint.path.rstrip("/").endswith(_PATH) else ("/", self.endpoint.path)
        for path in dict.fromkeys(places):
            reply = await _ask(record, replace(self.endpoint, path=path).at(f"{_PATH}/{sandbox}"))
            if responses.is_refusal(reply):
                return True
        return False

    def _mint(self, sandbox: str) -> str:
        """A connect token, as the control-plane API mints them."""
        import jwt

        now = int(time.time())
        claims = {
            "jti": secrets.token_hex(16),
            "iss": self.issuer,
            "aud": self.audience,
            "iat": now,
            "exp": now + _LIFE,
        }
        with warnings.catch_warnings(action="ignore"):  # of a short secret, which is judged elsewhere
            return jwt.encode(claims | {"sandboxInstanceId": sandbox}, self.secret, algorithm="HS256")

    def diagnose(self, error: Exception) -> Diagnosis | None:
        """What was said decides; what was not said is the network's."""
        from websockets.exceptions import InvalidHandshake

        match error:
            case NotHttp():
                return causes.NOT_GATEWAY.diagnosis(str(error))
        if found := super().diagnose(error):
            return found
        if isinstance(error, InvalidHandshake):
            return causes.NOT_GATEWAY.diagnosis("the answer to a request for a WebSocket is not a handshake")
        return None


async def _ask(record: Recorder, endpoint: Endpoint) -> Reply:
    from checks.tunnel.upgrade import upgrade

    return await upgrade(record, endpoint)
