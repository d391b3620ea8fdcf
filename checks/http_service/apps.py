"""How each of Mistle's services is recognized over HTTP."""

from __future__ import annotations

from dataclasses import dataclass

from checks.http_service import dependencies

SIGN_IN = "/v1/auth/ok"  # 200 {"ok":true} of the control-plane API, also without its database; 404 of the others


@dataclass(frozen=True)
class App:
    """``title`` is that of its openapi.json. ``route`` is an internal path on which a GET has no effect;
    ``accepted`` is the status of its reply to a request with the shared token. ``reads`` make it use its dependencies.
    """

    name: str
    title: str = ""
    route: str = ""
    accepted: int = 0
    reads: tuple[dependencies.DependencyProbe, ...] = ()


CONTROL_PLANE_API = App(
    "the control-plane API",
    "Mistle Control Plane API",
    "/internal/sandbox-runtime/preflight",
    accepted=404,
    reads=dependencies.CONTROL_PLANE_API,
)
DATA_PLANE_API = App(
    "the data-plane API",
    "Mistle Data Plane Internal API",
    "/internal/sandbox/instances",
    accepted=400,
    reads=dependencies.DATA_PLANE_API,
)
GATEWAY = App("the gateway", route="/internal/sandbox-instances/mistle-preflight/runtime-state", accepted=200)
DASHBOARD = App("the dashboard")
