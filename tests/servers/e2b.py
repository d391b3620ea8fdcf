"""E2B's API, with the replies of its public OpenAPI document."""

from collections.abc import Collection

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from preflight.demo.servers.web import Guard

KEY = "e2b_0123456789abcdef0123456789abcdef01234567"
UNKNOWN_KEY = (
    "Invalid API key, please visit https://e2b.dev/docs/api-key for more information.\n"
    "Cannot get the team for the given API key"
)


def e2b(
    key: str = KEY, own: Collection[str] = (), foreign: Collection[str] = (), busy: bool = False, banned: bool = False
) -> ASGIApp:
    """`own` and `foreign` are template aliases; `busy`: the rate limit is reached; `banned`: the team is blocked."""

    def alias(request: Request) -> Response:
        name = request.path_params["alias"]
        if name in own:
            return JSONResponse({"templateID": "rki5dems9wqfm4r03t7g", "public": False})
        if name in foreign:
            return error(403, f"Forbidden: template '{name}' belongs to another team")
        return error(404, f"template alias '{name}' not found")

    def refusal(request: Request) -> Response | None:
        if busy:
            return error(429, "Rate limit exceeded, please try again later")
        if request.headers.get("x-api-key") != key:
            return error(401, UNKNOWN_KEY)
        return error(403, "Team is blocked") if banned else None

    routes = [Route("/templates/aliases/{alias}", alias), Route("/v2/sandboxes", lambda _: JSONResponse([]))]
    return Guard(Starlette(routes=routes), refusal)


def error(code: int, message: str) -> Response:
    return JSONResponse({"code": code, "message": message}, code)
