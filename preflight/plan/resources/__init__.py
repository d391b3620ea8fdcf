"""The resources that a Mistle configuration can name: one module for each kind of check."""

from __future__ import annotations

from preflight.plan.resource import Resource
from preflight.plan.resources import (
    archil,
    docker,
    e2b,
    google,
    http_service,
    object_store,
    otlp,
    postgres,
    publish,
    smtp,
    tunnel,
    valkey,
)

RESOURCES: tuple[Resource, ...] = (
    *postgres.RESOURCES,
    *valkey.RESOURCES,
    *object_store.RESOURCES,
    *smtp.RESOURCES,
    *docker.RESOURCES,
    *e2b.RESOURCES,
    *archil.RESOURCES,
    *http_service.RESOURCES,
    *tunnel.RESOURCES,
    *otlp.RESOURCES,
    *publish.RESOURCES,
    *google.RESOURCES,
)
