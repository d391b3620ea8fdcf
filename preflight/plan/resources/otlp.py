"""The resources at telemetry.<signal>.endpoint."""

from __future__ import annotations

from functools import partial

from checks.otlp import Otlp
from preflight.plan.resource import Deployment, Resource, endpoint
from preflight.services import SERVICES


def _make(signal: str, deployment: Deployment) -> Otlp:
    key = f"telemetry.{signal}.endpoint"
    return Otlp(
        name=f"telemetry.{signal}",
        sources={"url": (key,)},
        endpoint=endpoint(deployment.values.url(key)),
        signal=signal,
    )


RESOURCES = tuple(
    Resource(
        name=f"telemetry.{signal}",
        kind=Otlp.kind,
        keys=(f"telemetry.{signal}.endpoint",),
        services=frozenset(SERVICES) - {"dashboard"},
        make=partial(_make, signal),
        applies=lambda values: values.boolean("telemetry.enabled"),
    )
    for signal in ("traces", "logs", "metrics")
)
