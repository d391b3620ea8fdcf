"""The HTTP receiver of an OpenTelemetry collector, for JSON."""

import json

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

SIGNALS = {"/v1/traces": "resourceSpans", "/v1/logs": "resourceLogs", "/v1/metrics": "resourceMetrics"}


def collector(authorization: str = "") -> ASGIApp:
    """Receives every signal; with an `authorization`, only from those who send that header."""

    async def receive(request: Request) -> Response:
        if authorization and request.headers.get("authorization") != authorization:
            return _status(401, 16, "Unauthenticated")
        if request.headers.get("content-type", "").partition(";")[0] != "application/json":
            return Response("415 unsupported media type, supported: [application/json, application/x-protobuf]", 415)
        return _accept(await request.body(), SIGNALS[request.url.path])

    return Starlette(routes=[Route(path, receive, methods=["POST"]) for path in SIGNALS])


def _accept(body: bytes, field: str) -> Response:
    try:
        export = json.loads(body)
    except ValueError as error:
        return _status(400, 3, str(error))
    if not isinstance(export, dict) or not isinstance(export.get(field, []), list):
        return _status(400, 3, f"{field}: not an array")
    return JSONResponse({"partialSuccess": {}})


def _status(status: int, code: int, message: str) -> Response:
    return JSONResponse({"code": code, "message": message}, status)
