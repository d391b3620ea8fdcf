"""All stand-ins at once, each on its port, for docker-compose.test.yml."""

import asyncio
import os

import uvicorn
from starlette.types import ASGIApp

from preflight.demo.servers.mistle import (
    API_ORIGIN,
    DASHBOARD_ORIGIN,
    Gateway,
    control_plane_api,
    dashboard,
    data_plane_api,
)
from preflight.demo.servers.otlp import collector
from tests.servers.archil import archil
from tests.servers.e2b import e2b
from tests.servers.google import google


def applications() -> dict[int, ASGIApp]:
    origins = os.environ.get("TRUSTED_ORIGINS", DASHBOARD_ORIGIN).split(",")
    return {
        3000: dashboard(lambda: os.environ.get("API_ORIGIN", API_ORIGIN)),
        4318: collector(),
        5100: control_plane_api(trusted_origins=origins, data_plane="http://127.0.0.1:5200"),
        5200: data_plane_api(),
        5202: Gateway(valkey=os.environ.get("VALKEY_URL", "")).application(),
        6001: e2b(),
        6002: archil(),
        6003: google(),
    }


async def serve() -> None:
    configs = [uvicorn.Config(app, "0.0.0.0", port, log_level="warning") for port, app in applications().items()]
    await asyncio.gather(*(uvicorn.Server(config).serve() for config in configs))


asyncio.run(serve())
