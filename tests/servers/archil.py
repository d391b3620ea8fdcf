"""Archil's control plane: one read-only call."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from preflight.demo.servers.web import Guard

KEY = "key-0123456789abcdef"


def archil(key: str = KEY) -> ASGIApp:
    """`key` with its `key-`; a Bearer token is refused."""

    def refusal(request: Request) -> Response | None:
        if request.headers.get("authorization") != key:
            return JSONResponse({"success": False, "error": "Unauthorized"}, 401)
        return None

    disks = Route("/api/disks", lambda _: JSONResponse({"success": True, "data": []}))
    return Guard(Starlette(routes=[disks]), refusal)
