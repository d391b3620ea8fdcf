"""The gateway's tunnel: who may upgrade."""

from dataclasses import dataclass

import jwt
from starlette.responses import Response
from starlette.websockets import WebSocket

CLAIMS = ["jti", "iss", "aud", "iat", "exp", "sandboxInstanceId"]


@dataclass(frozen=True)
class Signature:
    """As [sandbox.tokens.connect] has it."""

    secret: str = "local-connect-secret-93f6b0d84a2e7c15"
    issuer: str = "control-plane-api"
    audience: str = "data-plane-gateway"

    def admits(self, token: str, sandbox: str) -> bool:
        try:
            claims = jwt.decode(
                token,
                self.secret,
                algorithms=["HS256"],
                audience=self.audience,
                issuer=self.issuer,
                options={"require": CLAIMS},
            )
        except jwt.InvalidTokenError:
            return False
        return bool(claims["sandboxInstanceId"] == sandbox)


@dataclass(frozen=True)
class Tunnel:
    """No sandbox exists. `writes` are what only a bootstrap token, or a fault, makes happen."""

    connect: Signature
    writes: list[str]
    checks: bool = True

    async def upgrade(self, socket: WebSocket) -> None:
        refusal = self._refusal(socket)
        if refusal:
            await socket.send_denial_response(Response(status_code=refusal))
            return
        self.writes.append(socket.url.path)
        await socket.accept()
        async for message in socket.iter_bytes():
            self.writes.append(repr(message))

    def _refusal(self, socket: WebSocket) -> int:
        query = socket.query_params
        if "bootstrap_token" in query or not self.checks:
            return 0
        if not self.connect.admits(query.get("connect_token", ""), socket.path_params["id"]):
            return 401
        return 409
