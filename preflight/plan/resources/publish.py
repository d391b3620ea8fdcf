"""The resource in [sandbox.publish], with sandbox.publish_base_domain."""

from __future__ import annotations

from checks.publish import Publish
from checks.publish.routes import PublishSigning
from preflight.config.urls import is_loopback
from preflight.config.values import Values
from preflight.plan.resource import Deployment, Resource, endpoint, unusable

_KEY, _GATEWAY = "sandbox.publish_base_domain", "services.data_plane_gateway.internal_url"
_SIGNED = {
    "secret": "sandbox.publish.access_token.secret",
    "issuer": "sandbox.publish.access_token.issuer",
    "audience": "sandbox.publish.access_token.audience",
    "cookie_secret": "sandbox.publish.session.cookie_signing_secret",
}
_ASKED = (*_SIGNED.values(), _GATEWAY)


def _make(deployment: Deployment) -> Publish:
    values, is_asked = deployment.values, _is_asked(deployment.values, deployment.broken)
    unasked = _unasked(deployment) if is_asked else ""
    texts = {name: values.text(key) for name, key in _SIGNED.items()}
    return Publish(
        name=_KEY,
        sources={"domain": (_KEY,)}
        | ({name: (key,) for name, key in {**_SIGNED, "gateway": _GATEWAY}.items()} if is_asked else {}),
        domain=values.text(_KEY),
        tls=values.production and deployment.deployed,
        looked_up=not is_loopback(values.text(_KEY)),
        gateway=endpoint(values.url(_GATEWAY)) if is_asked and not unasked else None,
        signing=PublishSigning(**texts) if is_asked and not unasked else None,
        unasked=unasked,
    )


def _is_asked(values: Values, broken: frozenset[str] = frozenset()) -> bool:
    """Whether the configuration has all that the gateway is asked about, right or wrong."""
    return {*values, *broken}.issuperset(_ASKED)


def _unasked(deployment: Deployment) -> str:
    """Why the gateway cannot be asked."""
    return unusable(_ASKED, deployment.broken) or ("" if deployment.deployed else "not up yet")


def _applies(values: Values) -> bool:
    """Browsers look up no name below localhost: it is always their own machine (RFC 6761)."""
    return not is_loopback(values.text(_KEY)) or _is_asked(values)


RESOURCES = (
    Resource(
        name=_KEY,
        kind=Publish.kind,
        keys=(_KEY,),
        services=frozenset({"control_plane_api", "data_plane_gateway"}),
        make=_make,
        extra=tuple(_SIGNED.values()),
        applies=_applies,
    ),
)
