"""The resource in [sandbox.storage.archil]."""

from __future__ import annotations

from checks.archil import Archil
from checks.archil.regions import REGIONS
from preflight.plan.resource import Deployment, Resource

_SECTION = "sandbox.storage.archil"
_KEYS = {name: (f"{_SECTION}.{name}",) for name in ("api_key", "region")}


def _make(deployment: Deployment) -> Archil:
    api_key, region = (deployment.values.text(key) for (key,) in _KEYS.values())
    return Archil(
        name=_SECTION,
        sources=_KEYS,
        region=region,
        endpoint=REGIONS.get(region),
        api_key=api_key,
    )


RESOURCES = (
    Resource(
        _SECTION,
        Archil.kind,
        tuple(key for (key,) in _KEYS.values()),
        frozenset({"data_plane_worker"}),
        _make,
        applies=lambda values: values.text("sandbox.storage.backend") == "archil",
    ),
)
