"""The resources at the WebSocket URLs of services.data_plane_gateway, with [sandbox.tokens]."""

from __future__ import annotations

from functools import partial

from checks.tunnel import Tunnel, exchange
from preflight.plan.resource import Deployment, Resource, endpoint, unusable

_INTERNAL, _PUBLIC = (f"services.data_plane_gateway.sandbox_ws_{way}" for way in ("internal", "public"))
_CONNECT, _BOOTSTRAP = "sandbox.tokens.connect", "sandbox.tokens.bootstrap"
_FIELDS = ("secret", "issuer", "audience")
_EXCHANGED = tuple(f"{_BOOTSTRAP}.{field}" for field in _FIELDS)
_OF_SANDBOXES = "host.docker.internal"  # Mistle adds it to each sandbox, as the machine's address
_DATABASE = "postgres.data_plane.pooled_url"
_SERVICES = {
    # The worker gives this URL to the sandboxes, with bootstrap tokens that it signs; the gateway verifies the tokens.
    _INTERNAL: frozenset({"data_plane_worker", "data_plane_gateway"}),
    # The dashboard's pages connect to this URL, with tokens that the control-plane API signs.
    _PUBLIC: frozenset({"control_plane_api", "data_plane_gateway", "dashboard"}),
}


def _make(name: str, deployment: Deployment) -> Tunnel:
    url, values = f"{name}_url", deployment.values
    own = dict(zip(exchange.FIELDS, ((key,) for key in _EXCHANGED), strict=True)) | {"database": (_DATABASE,)}
    target = endpoint(values.url(url))
    is_asked, unasked = _is_asked(name, deployment), unusable(_EXCHANGED, deployment.broken)
    return Tunnel(
        name=name,
        sources={"url": (url,)}
        | {field: (f"{_CONNECT}.{field}",) for field in _FIELDS}
        | (own if is_asked and name == _INTERNAL else {}),
        endpoint=target,
        secret=values.text(f"{_CONNECT}.secret"),
        issuer=values.text(f"{_CONNECT}.issuer"),
        audience=values.text(f"{_CONNECT}.audience"),
        bootstrap=exchange.BootstrapSigning(*map(values.text, _EXCHANGED)) if is_asked and not unasked else None,
        unasked=unasked if is_asked else "",
        deployed=deployment.deployed,
        in_sandboxes=target.host == _OF_SANDBOXES and values.text("sandbox.provider") == "docker",
    )


def _is_asked(name: str, deployment: Deployment) -> bool:
    """Whether sandboxes exchange their tokens there: at the internal URL, or at the public one if both are one."""
    values = deployment.values
    is_internal = name == _INTERNAL or (
        _INTERNAL in deployment.wanted and values.text(f"{_INTERNAL}_url") == values.text(f"{_PUBLIC}_url")
    )
    return is_internal and {*values, *deployment.broken}.issuperset(_EXCHANGED)


RESOURCES = tuple(
    Resource(
        name,
        Tunnel.kind,
        (f"{name}_url", *(f"{_CONNECT}.{field}" for field in _FIELDS)),
        services,
        partial(_make, name),
        extra=_EXCHANGED if name == _INTERNAL else (),
    )
    for name, services in _SERVICES.items()
)
