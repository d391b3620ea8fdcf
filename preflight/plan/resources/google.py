"""services.control_plane_api.auth.google, where google is among the enabled methods."""

from __future__ import annotations

from collections.abc import Mapping

from checks.google import Google
from preflight.plan.resource import Deployment, Resource

_AUTH = "services.control_plane_api.auth"
_SECTION, _METHODS = f"{_AUTH}.google", f"{_AUTH}.enabled_methods"
_KEYS = {name: (f"{_SECTION}.{name}",) for name in ("client_id", "client_secret")}


def _make(deployment: Deployment) -> Google:
    return Google(
        name=_SECTION,
        sources=_KEYS | {"method": (_METHODS,)},
        client_id=deployment.text(f"{_SECTION}.client_id"),
        client_secret=deployment.text(f"{_SECTION}.client_secret"),
    )


def _is_enabled(values: Mapping[str, object]) -> bool:
    methods = values.get(_METHODS)
    return isinstance(methods, tuple | list) and "google" in methods


RESOURCES = (
    Resource(
        _SECTION,
        Google.kind,
        tuple(key for (key,) in _KEYS.values()),
        frozenset({"control_plane_api"}),
        _make,
        applies=_is_enabled,
    ),
)
