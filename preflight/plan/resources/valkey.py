"""The resources in [kv.data_plane] and [kv.control_plane]."""

from __future__ import annotations

from functools import partial

from checks.valkey import Valkey
from preflight.plan.resource import Deployment, Resource

_SERVICES = {"data_plane": frozenset({"data_plane_gateway"}), "control_plane": frozenset[str]()}


def _make(section: str, deployment: Deployment) -> Valkey:
    url = deployment.values.url(f"{section}.url")
    return Valkey(
        name=section,
        sources={"url": (f"{section}.url",), "key_prefix": (f"{section}.key_prefix",)},
        host=url.host,
        port=url.port,
        tls=url.scheme == "rediss",
        username=url.username,
        password=url.password,
        database=int(url.path.removeprefix("/") or 0),
        key_prefix=deployment.values.text(f"{section}.key_prefix"),
    )


RESOURCES = tuple(
    Resource(
        f"kv.{plane}",
        Valkey.kind,
        (f"kv.{plane}.url", f"kv.{plane}.key_prefix"),
        services,
        partial(_make, f"kv.{plane}"),
    )
    for plane, services in _SERVICES.items()
)
