"""What a Mistle configuration names: one module for each family of resources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from preflight.families import (
    archil,
    docker,
    e2b,
    google,
    kv,
    object_store,
    postgres,
    publish,
    services,
    smtp,
    telemetry,
    tunnel,
)

if TYPE_CHECKING:
    from preflight.families.resource import Resource

RESOURCES: tuple[Resource, ...] = (
    *postgres.RESOURCES,
    *kv.RESOURCES,
    *object_store.RESOURCES,
    *smtp.RESOURCES,
    *docker.RESOURCES,
    *e2b.RESOURCES,
    *archil.RESOURCES,
    *services.RESOURCES,
    *tunnel.RESOURCES,
    *telemetry.RESOURCES,
    *publish.RESOURCES,
    *google.RESOURCES,
)
