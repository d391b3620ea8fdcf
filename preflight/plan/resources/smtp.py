"""email.smtp."""

from __future__ import annotations

from checks.smtp import Smtp
from preflight.plan.resource import Deployment, Resource

_SECTION = "email.smtp"
_FIELDS = ("host", "port", "secure", "username", "password", "from_address")


def _make(deployment: Deployment) -> Smtp:
    return Smtp(
        name=_SECTION,
        sources={field: (f"{_SECTION}.{field}",) for field in _FIELDS},
        host=deployment.text(f"{_SECTION}.host"),
        port=int(deployment.text(f"{_SECTION}.port")),
        secure=deployment.values[f"{_SECTION}.secure"] is True,
        username=deployment.text(f"{_SECTION}.username"),
        password=deployment.text(f"{_SECTION}.password"),
        from_address=deployment.text(f"{_SECTION}.from_address"),
        production=deployment.production,
    )


RESOURCES = (
    Resource(
        _SECTION,
        Smtp.kind,
        tuple(f"{_SECTION}.{field}" for field in _FIELDS),
        frozenset({"control_plane_worker"}),
        _make,
    ),
)
