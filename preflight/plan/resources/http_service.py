"""The URLs of Mistle's own services."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from checks.http_service import HttpService
from checks.http_service.apps import CONTROL_PLANE_API, DASHBOARD, DATA_PLANE_API, GATEWAY, App
from checks.net.endpoint import Endpoint
from preflight.config.urls import Url
from preflight.config.validation.web_urls import ROOTED
from preflight.config.values import Values
from preflight.plan.resource import Deployment, Resource, endpoint

_TOKEN = "internal_auth.shared_token.token"  # noqa: S105 - a key
_PAGES = "services.dashboard.public_url"
_API_ORIGIN = "services.dashboard.control_plane_api_origin"
_TRUSTED = "services.control_plane_api.auth.trusted_origins"
_DATA_PLANE = "services.data_plane_api.internal_url"


@dataclass(frozen=True)
class _Row:
    name: str
    key: str
    app: App
    services: frozenset[str]
    extra: tuple[tuple[str, str], ...] = ()  # more of the check's fields, and their keys
    others: tuple[tuple[str, str], ...] = ()  # the same, of resources that it uses itself and that have their own check
    needs: tuple[str, ...] = ()  # those of these keys that the check is made from


_ROWS = (
    _Row(
        "services.control_plane_api.internal",
        "services.control_plane_api.internal_url",
        CONTROL_PLANE_API,
        frozenset({"control_plane_worker", "data_plane_api", "data_plane_gateway", "data_plane_worker"}),
        extra=(("token", _TOKEN),),
        others=(("database", "postgres.control_plane.pooled_url"), ("data_plane", _DATA_PLANE)),
        needs=(_TOKEN,),
    ),
    _Row(
        "services.control_plane_api.public",
        "services.control_plane_api.public_url",
        CONTROL_PLANE_API,
        frozenset({"dashboard"}),  # its pages call it
        extra=(("trusted_origins", _TRUSTED), ("dashboard", _PAGES), ("api_origin", _API_ORIGIN)),
        needs=(_PAGES,),
    ),
    _Row(
        "services.data_plane_api.internal",
        _DATA_PLANE,
        DATA_PLANE_API,
        frozenset({"control_plane_api", "control_plane_worker", "data_plane_gateway"}),
        extra=(("token", _TOKEN),),
        others=(("database", "postgres.data_plane.pooled_url"),),
        needs=(_TOKEN,),
    ),
    _Row(
        "services.data_plane_gateway.internal",
        "services.data_plane_gateway.internal_url",
        GATEWAY,
        frozenset({"data_plane_api", "data_plane_worker"}),
        extra=(("token", _TOKEN),),
        others=(("valkey", "kv.data_plane.url"),),
        needs=(_TOKEN,),
    ),
    _Row("services.dashboard", _PAGES, DASHBOARD, frozenset({"dashboard"}), extra=(("api_origin", _API_ORIGIN),)),
)


def _make(row: _Row, deployment: Deployment) -> HttpService:
    values = deployment.values
    return HttpService(
        name=row.name,
        sources={"url": (row.key,)}
        | {name: (key,) for name, key in (*row.extra, *row.others) if _is_about(key, row, values)},
        endpoint=_endpoint(row.key, values.url(row.key)),
        app=row.app,
        token=values.text(_TOKEN) if _TOKEN in row.needs else "",
        origin=values.url(_PAGES).origin if _PAGES in row.needs else "",
        needs_cors=_called(values) != values.url(_PAGES).origin if _PAGES in row.needs else True,
        api_origin=_called(values) if row.app is DASHBOARD else "",
        deployed=deployment.deployed,
    )


def _endpoint(key: str, url: Url) -> Endpoint:
    """As Mistle's client calls it."""
    return endpoint(replace(url, path="/", query="") if key in ROOTED else url)


def _called(values: Values) -> str:
    """The origin of the API that the dashboard's pages should call; "" if it is not known."""
    url = values.dashboard_api()
    return url.origin if url else ""


def _is_about(key: str, row: _Row, values: Values) -> bool:
    """Whether the findings hold for this key too: the dashboard may be configured with another origin of the API."""
    return key != _API_ORIGIN or row.app is DASHBOARD or _called(values) == values.url(row.key).origin


RESOURCES = tuple(
    Resource(
        name=row.name,
        kind=HttpService.kind,
        keys=(row.key, *row.needs),
        services=row.services,
        make=partial(_make, row),
        extra=tuple(key for _, key in row.extra if key not in row.needs),
    )
    for row in _ROWS
)
