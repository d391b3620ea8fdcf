"""Stand-ins for Mistle's services: they decide on a request as the real ones do, before these do any work."""

import asyncio
import hmac
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.request import ProxyHandler, build_opener
from urllib.request import Request as Call

from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from preflight.demo.servers import database
from preflight.demo.servers.publishing import BOOTSTRAP_PATH, Publishing
from preflight.demo.servers.tunnel import BOOTSTRAP, GatewayTunnel, Signature
from preflight.demo.servers.web import Guard

TOKEN = "local-internal-token-5a81d0c39e7f2b64"
RELEASE = "1.4.0"
DASHBOARD_ORIGIN = "http://localhost:3000"
_DIRECTLY = build_opener(ProxyHandler({}))  # the services call each other without any proxy
API_ORIGIN = "http://localhost:5100"


@dataclass(frozen=True)
class Service:
    """What the three services have in common; each `False` is a fault."""

    token: str = TOKEN
    release: str = RELEASE
    healthy: bool = True
    checks_token: bool = True

    def application(self, *routes: BaseRoute, title: str = "", **options: object) -> Starlette:
        routes = Route("/__healthz", self._healthz), *routes
        if title:
            document = {"openapi": "3.1.0", "info": {"title": title, "version": self.release}, "paths": {}}
            routes = *routes, Route("/openapi.json", lambda _: JSONResponse(document))
        app = Starlette(routes=routes, exception_handlers={404: _not_found, 405: _not_found}, **options)  # type: ignore[arg-type]
        app.add_middleware(Guard, refusal=self._refusal)
        return app

    def _refusal(self, request: Request) -> Response | None:
        if not self.checks_token or not request.url.path.startswith("/internal/"):
            return None
        shown = request.headers.get("x-mistle-service-token", "")
        return None if hmac.compare_digest(shown.encode(), self.token.encode()) else _error(401, "UNAUTHORIZED")

    def _healthz(self, _request: Request) -> Response:
        return JSONResponse({"ok": self.healthy}, 200 if self.healthy else 503)


@dataclass(frozen=True)
class _ControlPlane:
    """``postgres`` and ``data_plane`` are the URLs that it uses; "" for none."""

    service: Service
    postgres: str
    data_plane: str

    async def resolve(self, request: Request) -> Response:
        """The credential of a connection: none exists."""
        body = _object(await request.body())
        if not {"connectionId", "secretType"} <= body.keys():
            return _error(400, "VALIDATION_ERROR")
        await database.run_query(self.postgres, "SELECT FROM control_plane.organizations")
        return _error(404, "CONNECTION_NOT_FOUND")

    async def sandbox(self, request: Request) -> Response:
        """The state of a sandbox, which the data plane's API knows."""
        body = _object(await request.body())
        if not {"organizationId", "instanceId"} <= body.keys():
            return _error(400, "VALIDATION_ERROR")
        if self.data_plane:
            await asyncio.to_thread(self._ask_data_plane, str(body["instanceId"]))
        return _error(404, "INSTANCE_NOT_FOUND")

    def _ask_data_plane(self, sandbox: str) -> None:
        """Raises HTTPError and OSError, which are answered with 500."""
        url = f"{self.data_plane}/internal/sandbox/instances/{sandbox}?organizationId=x"
        call = Call(url, headers={"x-mistle-service-token": self.service.token})  # noqa: S310
        with _DIRECTLY.open(call) as reply:
            json.load(reply)


def control_plane_api(
    service: Service = Service(),
    trusted_origins: Sequence[str] = (DASHBOARD_ORIGIN,),
    *,
    postgres: str = "",
    data_plane: str = "",
) -> ASGIApp:
    """The control plane's API: public, with CORS for these origins."""
    cors = Middleware(CORSMiddleware, allow_origins=trusted_origins, allow_credentials=True, allow_methods=["*"])
    api = _ControlPlane(service, postgres, data_plane)
    routes = (
        Route("/v1/auth/ok", lambda _: JSONResponse({"ok": True})),
        Route("/internal/integration-credentials/resolve", api.resolve, methods=["POST"]),
        Route("/internal/sandbox-runtime/get-sandbox-instance", api.sandbox, methods=["POST"]),
    )
    return service.application(*routes, title="Mistle Control Plane API", middleware=[cors])


def data_plane_api(service: Service = Service(), *, postgres: str = "") -> ASGIApp:
    """The data plane's API, which is internal. No sandbox exists."""

    async def sandbox(request: Request) -> Response:
        if "organizationId" not in request.query_params:
            return _error(400, "VALIDATION_ERROR")
        identity = request.path_params["id"]
        await database.run_query(postgres, "SELECT FROM data_plane.sandbox_instances WHERE id = %s", identity)
        return JSONResponse(None)

    listing = Route("/internal/sandbox/instances", lambda _: _error(400, "VALIDATION_ERROR"))
    one = Route("/internal/sandbox/instances/{id}", sandbox)
    return service.application(listing, one, title="Mistle Data Plane Internal API")


@dataclass
class Gateway:
    """The gateway's Valkey and Postgres, if it has them, and all that it was made to write, which must stay empty."""

    service: Service = field(default_factory=Service)
    connect: Signature = field(default_factory=Signature)
    bootstrap: Signature = BOOTSTRAP
    publishing: Publishing = field(default_factory=Publishing)
    checks_tunnel: bool = True
    valkey: str = ""
    postgres: str = ""
    sandboxes: frozenset[str] = frozenset()
    patience: float = 2.0
    writes: list[str] = field(default_factory=list)

    def application(self) -> ASGIApp:
        tunnel = GatewayTunnel(
            self.connect, self.writes, self.checks_tunnel, self.bootstrap, self.sandboxes, self.postgres
        )
        routes = [
            Route("/internal/sandbox-instances/{id}/runtime-state", self._runtime_state),
            WebSocketRoute("/tunnel/sandbox/{id}", tunnel.upgrade),
            Route("/tunnel/sandbox/{id}", lambda _: Response(status_code=400)),
            Route("/tunnel/sandbox/{id}/token-exchange", tunnel.exchange, methods=["POST"]),
            Route(BOOTSTRAP_PATH, self.publishing.open),
            WebSocketRoute("/{path:path}", _no_tunnel),
        ]
        return Guard(self.service.application(*routes, lifespan=self._lifespan), self.publishing.serve)

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        await self._read("mistle:start")
        yield

    async def _runtime_state(self, request: Request) -> Response:
        await self._read(f"mistle:owner:{request.path_params['id']}", f"mistle:attachment:{request.path_params['id']}")
        return JSONResponse({"ownerLeaseId": None, "attachment": None})

    async def _read(self, *keys: str) -> None:
        if self.valkey:
            async with Redis.from_url(
                self.valkey, socket_timeout=self.patience, socket_connect_timeout=self.patience
            ) as client:
                for key in keys:
                    await client.get(key)


def dashboard(api_origin: Callable[[], str] = lambda: API_ORIGIN) -> ASGIApp:
    """A single-page application that was built for this origin of the API: every path but its script is the page."""
    page = HTMLResponse(
        "<!doctype html><title>Mistle Dashboard</title>"
        '<script type="module" crossorigin src="/assets/index-3OUaME_p.js"></script><div id="root"></div>'
    )

    def script(_request: Request) -> Response:
        config = f"r=n({{VITE_CONTROL_PLANE_API_ORIGIN:`{api_origin()}`,VITE_POSTHOG_ENABLED:`false`}});"
        return Response(config, media_type="text/javascript")

    return Starlette(routes=[Route("/assets/{name}.js", script), Route("/{path:path}", lambda _: page)])


async def _no_tunnel(socket: WebSocket) -> None:
    await socket.send_denial_response(_error(404, "NOT_FOUND"))


def _object(body: bytes) -> dict[str, object]:
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _not_found(_request: Request, _: Exception) -> Response:
    return _error(404, "NOT_FOUND")


def _error(status: int, code: str) -> Response:
    return JSONResponse({"code": code, "message": code.replace("_", " ").capitalize()}, status)
