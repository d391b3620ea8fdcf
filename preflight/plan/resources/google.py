"""The resource in [services.control_plane_api.auth.google], if google is among the enabled methods."""

from __future__ import annotations

from checks.google import Google
from preflight.plan.resource import Deployment, Resource

_AUTH = "services.control_plane_api.auth"
_SECTION, _METHODS = f"{_AUTH}.google", f"{_AUTH}.enabled_methods"
_KEYS = {name: (f"{_SECTION}.{name}",) for name in ("client_id", "client_secret")}


def _make(deployment: Deployment) -> Google:
    client_id, client_secret = (deployment.values.text(key) for (key,) in _KEYS.values())
    return Google(
        name=_SECTION,
        sources=_KEYS | {"method": (_METHODS,)},
        client_id=client_id,
        client_secret=client_secret,
    )


RESOURCES = (
    Resource(
        _SECTION,
        Google.kind,
        tuple(key for (key,) in _KEYS.values()),
        frozenset({"control_plane_api"}),
        _make,
        applies=lambda values: "google" in values.texts(_METHODS),
    ),
)
