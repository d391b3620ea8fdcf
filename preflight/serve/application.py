"""The paths of the server, and the reply to each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from preflight.formats.html.history import first_page, with_history
from preflight.serve.metrics import CONTENT_TYPE, metrics

if TYPE_CHECKING:
    from preflight.serve.state import ServedState


def application(state: ServedState, is_alive: Callable[[], bool]) -> Starlette:
    """The pages of this state. ``is_alive``: whether the runs continue."""

    async def page(_: Request) -> Response:
        last = state.last
        document = with_history(last.documents["html"].decode(), state) if last else first_page(state)
        return HTMLResponse(document, headers={"refresh": str(state.refresh)})

    async def report(_: Request) -> Response:
        if last := state.last:
            return Response(last.documents["json"], media_type="application/json")
        return PlainTextResponse("the first run has not ended yet\n", 503)

    async def metrics_(_: Request) -> Response:
        return Response(metrics(state), headers={"content-type": CONTENT_TYPE})

    async def healthz(_: Request) -> Response:
        return _yes_or_no(is_alive())

    async def readyz(_: Request) -> Response:
        return _yes_or_no(state.ready)

    pages = {"/": page, "/report.json": report, "/metrics": metrics_, "/healthz": healthz, "/readyz": readyz}
    made = Starlette(routes=[Route(path, endpoint) for path, endpoint in pages.items()])
    made.router.redirect_slashes = False
    return made


def _yes_or_no(yes: bool) -> Response:
    return PlainTextResponse("ok\n" if yes else "not ok\n", 200 if yes else 503)
