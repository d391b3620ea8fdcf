"""sandbox.publish_base_domain."""

from __future__ import annotations

from checks.publish import Publish
from preflight.families.resource import Deployment, Resource

_KEY = "sandbox.publish_base_domain"


def _make(deployment: Deployment) -> Publish:
    return Publish(
        name=_KEY,
        sources={"domain": (_KEY,)},
        domain=deployment.text(_KEY),
        tls=deployment.production and deployment.deployed,
    )


RESOURCES = (Resource(_KEY, Publish.kind, (_KEY,), frozenset({"control_plane_api", "data_plane_gateway"}), _make),)
