"""A stand-in for the Docker Engine's API, in so far as Mistle uses it. It is never the user's engine."""

from __future__ import annotations

import platform
from collections.abc import Collection

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

NETWORK = "mistle-sandboxes"
_MACHINE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
_PLATFORM = {"os": "linux", "architecture": _MACHINE, "Os": "linux", "Architecture": _MACHINE}
_VERSION = {"Version": "demo", "ApiVersion": "1.47", "Os": "linux", "Arch": _MACHINE}


def engine(networks: Collection[str] = (NETWORK,)) -> ASGIApp:
    """An engine that has these networks, any image, and the volumes that it is asked to make."""
    volumes: set[str] = set()

    def network(request: Request) -> Response:
        name = request.path_params["name"]
        return JSONResponse({"Name": name, "Scope": "local"}) if name in networks else _missing(f"network {name}")

    async def create(request: Request) -> Response:
        volumes.add(name := (await request.json())["Name"])
        return JSONResponse({"Name": name}, 201)

    def remove(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in volumes:
            return _missing(f"volume {name}")
        volumes.remove(name)
        return Response(status_code=204)

    def absent(_: Request) -> Response:
        return _missing("such container")

    routes = {
        "GET /version": lambda _: JSONResponse(_VERSION),
        "GET /info": lambda _: JSONResponse({"Name": "demo", "DockerRootDir": "/nowhere", "CgroupVersion": "2"}),
        "GET /networks": lambda _: JSONResponse([{"Name": each} for each in networks]),
        "GET /networks/{name}": network,
        "GET /images/{name:path}/json": lambda _: JSONResponse({"Id": "sha256:0"} | _PLATFORM),
        "GET /distribution/{name:path}/json": lambda _: JSONResponse({"Platforms": [_PLATFORM]}),
        "POST /volumes/create": create,
        "DELETE /volumes/{name}": remove,
        "POST /images/create": lambda _: _refusal("invalid reference format"),
        "POST /containers/create": lambda _: _refusal("config cannot be empty in order to create a container"),
        "DELETE /containers/{name}": absent,
        "GET /containers/{name}/{about}": absent,
        "POST /containers/{name}/{action}": absent,
        "POST /commit": absent,
    }
    return Starlette(routes=[route for call, endpoint in routes.items() for route in _routes(call, endpoint)])


def _routes(call: str, endpoint: object) -> list[Route]:
    method, path = call.split()
    return [Route(prefix + path, endpoint, methods=[method]) for prefix in ("", "/v{version}")]  # type: ignore[arg-type]


def _missing(what: str) -> Response:
    return JSONResponse({"message": f"{what} not found"}, 404)


def _refusal(message: str) -> Response:
    return JSONResponse({"message": message}, 400)
