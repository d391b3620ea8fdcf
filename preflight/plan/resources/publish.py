"""sandbox.publish_base_domain."""

from __future__ import annotations

from collections.abc import Mapping

from checks.publish import Publish
from preflight.config.urls import is_loopback
from preflight.plan.resource import Deployment, Resource

_KEY = "sandbox.publish_base_domain"


def _make(deployment: Deployment) -> Publish:
    return Publish(
        name=_KEY,
        sources={"domain": (_KEY,)},
        domain=deployment.text(_KEY),
        tls=deployment.production and deployment.deployed,
    )


def _is_looked_up(values: Mapping[str, object]) -> bool:
    """Every name below localhost is the browser's own machine (RFC 6761), without asking anyone."""
    return not is_loopback(str(values.get(_KEY, "")))


RESOURCES = (
    Resource(
        name=_KEY,
        kind=Publish.kind,
        keys=(_KEY,),
        services=frozenset({"control_plane_api", "data_plane_gateway"}),
        make=_make,
        applies=_is_looked_up,
    ),
)
