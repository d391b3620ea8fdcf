"""services.data_plane_gateway.sandbox_ws_internal_url and .sandbox_ws_public_url."""

from __future__ import annotations

from functools import partial

from checks.tunnel import Tunnel
from preflight.plan.resource import Deployment, Resource, endpoint

_CONNECT = "sandbox.tokens.connect"
_FIELDS = ("secret", "issuer", "audience")
_SERVICES = {
    # The worker gives this URL to the sandboxes; the gateway verifies the tokens.
    "services.data_plane_gateway.sandbox_ws_internal": frozenset({"data_plane_worker", "data_plane_gateway"}),
    # The dashboard's pages connect to this URL, with tokens that the control-plane API signs.
    "services.data_plane_gateway.sandbox_ws_public": frozenset(
        {"control_plane_api", "data_plane_gateway", "dashboard"}
    ),
}


def _make(name: str, deployment: Deployment) -> Tunnel:
    url, values = f"{name}_url", deployment.values
    return Tunnel(
        name=name,
        sources={"url": (url,)} | {field: (f"{_CONNECT}.{field}",) for field in _FIELDS},
        endpoint=endpoint(values.url(url)),
        secret=values.text(f"{_CONNECT}.secret"),
        issuer=values.text(f"{_CONNECT}.issuer"),
        audience=values.text(f"{_CONNECT}.audience"),
        deployed=deployment.deployed,
    )


RESOURCES = tuple(
    Resource(
        name,
        Tunnel.kind,
        (f"{name}_url", *(f"{_CONNECT}.{field}" for field in _FIELDS)),
        services,
        partial(_make, name),
    )
    for name, services in _SERVICES.items()
)
