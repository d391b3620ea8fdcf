"""Mistle's services, as they show themselves over HTTP."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class App:
    """``title`` is its openapi.json's. ``route`` is an internal path on which a GET has no effect, and ``admitted`` the
    status that it has for whoever shows the shared token.
    """

    name: str
    title: str = ""
    route: str = ""
    admitted: int = 0


CONTROL_PLANE_API = App(
    "the control-plane API", "Mistle Control Plane API", "/internal/sandbox-runtime/preflight", admitted=404
)
DATA_PLANE_API = App(
    "the data-plane API", "Mistle Data Plane Internal API", "/internal/sandbox/instances", admitted=400
)
GATEWAY = App("the gateway", route="/internal/sandbox-instances/mistle-preflight/runtime-state", admitted=200)
DASHBOARD = App("the dashboard")
