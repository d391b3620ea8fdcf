"""The resource in [email.smtp]."""

from __future__ import annotations

from checks.smtp import Smtp
from preflight.plan.resource import Deployment, Resource

_SECTION = "email.smtp"
_FIELDS = ("host", "port", "secure", "username", "password", "from_address")


def _make(deployment: Deployment) -> Smtp:
    values = deployment.values
    return Smtp(
        name=_SECTION,
        sources={field: (f"{_SECTION}.{field}",) for field in (*_FIELDS, "from_name")},
        host=values.text(f"{_SECTION}.host"),
        port=values.integer(f"{_SECTION}.port"),
        secure=values.boolean(f"{_SECTION}.secure"),
        username=values.text(f"{_SECTION}.username"),
        password=values.text(f"{_SECTION}.password"),
        from_address=values.text(f"{_SECTION}.from_address"),
        from_name=values.text(f"{_SECTION}.from_name"),  # the check is of use without it
        production=values.production,
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
