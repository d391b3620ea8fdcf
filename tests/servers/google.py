"""Google's token endpoint: it checks the client before the code."""

from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

CLIENT_ID, CLIENT_SECRET = "1234567890-local.apps.googleusercontent.com", "GOCSPX-local"


def google(client_id: str = CLIENT_ID, client_secret: str = CLIENT_SECRET) -> ASGIApp:
    """Accepts one client, and no code."""

    async def token(request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        if form.get("grant_type") != "authorization_code":
            return _error(400, "unsupported_grant_type", f"Invalid grant_type: {form.get('grant_type', '')}")
        if form.get("client_id") != client_id:
            return _error(401, "invalid_client", "The OAuth client was not found.")
        if form.get("client_secret") != client_secret:
            return _error(401, "invalid_client", "Unauthorized")
        return _error(400, "invalid_grant", "Malformed auth code.")

    return Starlette(routes=[Route("/token", token, methods=["POST"])])


def _error(status: int, error: str, description: str) -> Response:
    return JSONResponse({"error": error, "error_description": description}, status)
