"""sandbox.e2b, and the image that its template is made from."""

from __future__ import annotations

from collections.abc import Mapping

from checks.e2b import E2b
from checks.net.http import Endpoint
from preflight.config import urls
from preflight.plan.resource import Deployment, Resource, endpoint

_SECTION, _IMAGE = "sandbox.e2b", "sandbox.default_base_image"
_GATEWAY = "services.data_plane_gateway.sandbox_ws_internal_url"
_DEFAULTS: Mapping[str, object] = {"domain": "e2b.app", "cpu_count": 2, "memory_mb": 4096}


def _make(deployment: Deployment) -> E2b:
    domain, cpu_count, memory_mb = (
        deployment.values.get(f"{_SECTION}.{name}", default) for name, default in _DEFAULTS.items()
    )
    image, gateway = deployment.text(_IMAGE), _public_host(deployment.values.get(_GATEWAY))
    return E2b(
        name=_SECTION,
        sources={name: (f"{_SECTION}.{name}",) for name in ("api_key", *_DEFAULTS)}
        | {"image": (_IMAGE,)}
        | ({"gateway": (_GATEWAY,)} if gateway else {}),
        endpoint=_api(str(domain)),
        api_key=deployment.text(f"{_SECTION}.api_key"),
        image=image,
        cpu_count=int(str(cpu_count)),
        memory_mb=int(str(memory_mb)),
        public_image=urls.is_public(_registry(image)),
        gateway=gateway,
    )


def _api(domain: str) -> Endpoint:
    """``https://api.<domain>``; of a domain that makes no URL, a host that does not resolve."""
    try:
        return endpoint(f"https://api.{domain}")
    except urls.BadUrl:
        return Endpoint("https", f"api.{domain}", urls.DEFAULT_PORTS["https"])


def _registry(image: str) -> str:
    """The host that an image reference is pulled from, "" for an image that only its own engine has."""
    first, slash, _ = image.partition("/")
    if image.startswith("sha256:"):
        return ""
    has_host = slash and ("." in first or ":" in first or first == "localhost")
    return first.partition(":")[0] if has_host else "docker.io"


def _public_host(url: object) -> str:
    """The gateway's; "" where the URL is absent, broken or plainly not public, which findings of its own say."""
    try:
        host = urls.parse(str(url or "")).host
    except urls.BadUrl:
        return ""
    return host if urls.is_public(host) else ""


RESOURCES = (
    Resource(
        _SECTION,
        E2b.kind,
        (f"{_SECTION}.api_key", _IMAGE),
        frozenset({"control_plane_api", "data_plane_api", "data_plane_worker"}),
        _make,
        optional=tuple(f"{_SECTION}.{name}" for name in _DEFAULTS),
        applies=lambda values: values.get("sandbox.provider") == "e2b",
    ),
)
