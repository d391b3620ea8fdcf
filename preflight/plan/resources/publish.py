"""sandbox.publish_base_domain."""

from __future__ import annotations

from checks.publish import Publish
from preflight.config.urls import is_loopback
from preflight.config.values import Values
from preflight.plan.resource import Deployment, Resource

_KEY = "sandbox.publish_base_domain"


def _make(deployment: Deployment) -> Publish:
    return Publish(
        name=_KEY,
        sources={"domain": (_KEY,)},
        domain=deployment.values.text(_KEY),
        tls=deployment.values.production and deployment.deployed,
    )


def _is_looked_up(values: Values) -> bool:
    """Browsers look up no name below localhost: it is always their own machine (RFC 6761)."""
    return not is_loopback(values.text(_KEY))


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
