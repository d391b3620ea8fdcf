"""The resource in [sandbox.e2b], and the image of its template."""

from __future__ import annotations

from checks.e2b import E2b
from checks.net.endpoint import Endpoint
from preflight.config import urls
from preflight.plan.resource import Deployment, Resource, endpoint

_SECTION, _IMAGE = "sandbox.e2b", "sandbox.default_base_image"
_GATEWAY = "services.data_plane_gateway.sandbox_ws_internal_url"
_OPTIONAL = ("domain", "cpu_count", "memory_mb")


def _make(deployment: Deployment) -> E2b:
    values = deployment.values
    image, gateway = values.text(_IMAGE), _public_host(values.url_or_none(_GATEWAY))
    return E2b(
        name=_SECTION,
        sources={name: (f"{_SECTION}.{name}",) for name in ("api_key", *_OPTIONAL)}
        | {"image": (_IMAGE,)}
        | ({"gateway": (_GATEWAY,)} if gateway else {}),
        endpoint=_api(values.text(f"{_SECTION}.domain")),
        api_key=values.text(f"{_SECTION}.api_key"),
        image=image,
        cpu_count=values.integer(f"{_SECTION}.cpu_count"),
        memory_mb=values.integer(f"{_SECTION}.memory_mb"),
        public_image=urls.is_public(_registry(image)),
        gateway=gateway,
    )


def _api(domain: str) -> Endpoint:
    """``https://api.<domain>``. If that is no URL, the host does not resolve, and the check reports it."""
    url = urls.parse_or_none(f"https://api.{domain}")
    return endpoint(url) if url else Endpoint("https", f"api.{domain}", urls.DEFAULT_PORTS["https"])


def _registry(image: str) -> str:
    """The host that an image is pulled from; "" for an image id, which exists only in one engine."""
    first, slash, _ = image.partition("/")
    if image.startswith("sha256:"):
        return ""
    has_host = slash and ("." in first or ":" in first or first == "localhost")
    return first.partition(":")[0] if has_host else "docker.io"


def _public_host(url: urls.Url | None) -> str:
    """The URL's host, or "" if it is not public: config.not-public reports that."""
    return url.host if url and urls.is_public(url.host) else ""


RESOURCES = (
    Resource(
        _SECTION,
        E2b.kind,
        (f"{_SECTION}.api_key", _IMAGE),
        frozenset({"control_plane_api", "data_plane_api", "data_plane_worker"}),
        _make,
        optional=tuple(f"{_SECTION}.{name}" for name in _OPTIONAL),
        applies=lambda values: values.text("sandbox.provider") == "e2b",
    ),
)
