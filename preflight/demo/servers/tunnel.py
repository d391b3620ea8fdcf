"""The gateway's tunnel: who may upgrade, and who may exchange a bootstrap token."""

from collections.abc import Mapping
from dataclasses import dataclass

import jwt
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.websockets import WebSocket

from preflight.demo.servers import database

CLAIMS = ["jti", "iss", "aud", "iat", "exp", "sandboxInstanceId"]
EXCHANGE_CLAIMS = [*CLAIMS, "bootstrapTokenTtlSeconds", "exchangeTokenTtlSeconds"]


@dataclass(frozen=True)
class Signature:
    """As [sandbox.tokens.connect] has it."""

    secret: str = "local-connect-secret-93f6b0d84a2e7c15"
    issuer: str = "control-plane-api"
    audience: str = "data-plane-gateway"

    def claims(self, token: str, required: list[str]) -> Mapping[str, object]:
        """The claims of a token. Raises jwt.InvalidTokenError."""
        return jwt.decode(
            token,
            self.secret,
            algorithms=["HS256"],
            audience=self.audience,
            issuer=self.issuer,
            options={"require": required},
        )

    def admits(self, token: str, sandbox: str) -> bool:
        try:
            claims = self.claims(token, CLAIMS)
        except jwt.InvalidTokenError:
            return False
        return claims["sandboxInstanceId"] == sandbox


BOOTSTRAP = Signature("local-bootstrap-secret-1e7a5c92d4f8b306", "data-plane-worker")
"""As [sandbox.tokens.bootstrap] has it."""


@dataclass(frozen=True)
class GatewayTunnel:
    """No sandbox exists, except those in ``sandboxes``. ``writes`` are what only a bootstrap token, a sandbox that
    exists, or a fault makes happen. ``postgres``: the URL of the gateway's own, if it has one.
    """

    connect: Signature
    writes: list[str]
    checks: bool = True
    bootstrap: Signature = BOOTSTRAP
    sandboxes: frozenset[str] = frozenset()
    postgres: str = ""

    async def upgrade(self, socket: WebSocket) -> None:
        refusal = self._refusal(socket)
        if refusal:
            await socket.send_denial_response(Response(status_code=refusal))
            return
        self.writes.append(socket.url.path)
        await socket.accept()
        async for message in socket.iter_bytes():
            self.writes.append(repr(message))

    async def exchange(self, request: Request) -> Response:
        """Gives a sandbox that exists new tokens, and writes that this token was used."""
        sandbox, token = request.path_params["id"], request.headers.get("authorization", "")
        if self.checks and (refusal := self._exchange_refusal(token.removeprefix("Bearer "), sandbox)):
            return JSONResponse({"error": f"Tunnel exchange token {refusal}."}, 401)
        await database.run_query(self.postgres, "SELECT FROM data_plane.sandbox_instances WHERE id = %s", sandbox)
        if sandbox not in self.sandboxes:
            return JSONResponse({"error": "Sandbox instance was not found."}, 404)
        self.writes.append(f"exchanged for {sandbox}")
        return JSONResponse({"bootstrapToken": "…", "tunnelExchangeToken": "…"})

    def _exchange_refusal(self, token: str, sandbox: str) -> str:
        try:
            claims = self.bootstrap.claims(token, EXCHANGE_CLAIMS)
        except (jwt.InvalidIssuerError, jwt.InvalidAudienceError):
            return "claim validation failed"
        except jwt.InvalidTokenError:
            return "verification failed" if token else "bearer authorization is required"
        return "" if claims["sandboxInstanceId"] == sandbox else "sandboxInstanceId claim does not match request path"

    def _refusal(self, socket: WebSocket) -> int:
        query = socket.query_params
        if "bootstrap_token" in query or not self.checks:
            return 0
        if not self.connect.admits(query.get("connect_token", ""), socket.path_params["id"]):
            return 401
        return 409
