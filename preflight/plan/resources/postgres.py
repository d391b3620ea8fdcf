"""The resources at postgres.<plane>.direct_url and .pooled_url."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from checks.postgres import Postgres
from checks.postgres.dialects import Login
from checks.postgres.uses import DIRECT, POOLED, Use
from preflight.config.urls import Url
from preflight.config.values import Values
from preflight.plan.resource import Deployment, Resource

_MASTER_KEYS = "services.control_plane_api.integrations.master_encryption_keys"


@dataclass(frozen=True)
class _Row:
    plane: str
    route: str  # direct or pooled
    use: Use
    services: frozenset[str]
    connections: int  # ten for each process that has a pool on it

    @property
    def name(self) -> str:
        return f"postgres.{self.plane}.{self.route}"

    @property
    def key(self) -> str:
        return f"{self.name}_url"


_ROWS = (
    _Row(
        "control_plane",
        "direct",
        DIRECT,
        frozenset({"control_plane_api", "control_plane_worker", "control_plane_migrations"}),
        connections=20,
    ),
    _Row("control_plane", "pooled", POOLED, frozenset({"control_plane_api", "control_plane_worker"}), connections=20),
    _Row(
        "data_plane",
        "direct",
        DIRECT,
        frozenset({"data_plane_api", "data_plane_worker", "data_plane_migrations"}),
        connections=20,
    ),
    _Row(
        "data_plane",
        "pooled",
        POOLED,
        frozenset({"data_plane_api", "data_plane_gateway", "data_plane_worker"}),
        connections=30,
    ),
)


def _make(row: _Row, deployment: Deployment) -> Postgres:
    values, planes = deployment.values, _planes(row, deployment)
    url = values.url(row.key)
    login = row.use.dialect.login(Login(url.host, url.port, url.username, url.password), dict(url.pairs))
    master_keys = _master_keys(values) if row.use is POOLED and "control_plane" in planes else {}
    return Postgres(
        name=row.name,
        sources={"url": (row.key,), row.plane: (row.key,)} | _sources_of_master_keys(row, master_keys),
        use=row.use,
        host=login.host,
        port=login.port,
        others=url.others,
        username=login.username,
        password=login.password,
        database=url.path.removeprefix("/"),
        query=url.pairs,
        planes=planes,
        connections=_connections(url, values),
        migrators=_migrators(planes, values) if row.use is POOLED else (),
        production=values.production,
        deployed=deployment.deployed,
        unusable_master_keys=tuple(map(_version, filter(_is_master_key, deployment.broken))),
        master_keys=tuple(master_keys.items()),
    )


def _planes(row: _Row, deployment: Deployment) -> tuple[str, ...]:
    """The planes whose selected check has the same target: one connection serves all of them."""
    values = deployment.values
    same = (other for other in _ROWS if other.use is row.use and other.name in deployment.wanted)
    return tuple(other.plane for other in same if values.text(other.key) == values.text(row.key))


def _migrators(planes: tuple[str, ...], values: Values) -> tuple[tuple[str, str], ...]:
    """By plane, the role of the direct URL, which owns what the migrations create."""
    urls = ((plane, values.url_or_none(f"postgres.{plane}.direct_url")) for plane in planes)
    return tuple((plane, url.username) for plane, url in urls if url)


def _connections(url: Url, values: Values) -> int:
    """How many connections all of Mistle's processes together open to this server."""
    urls = ((row, values.url_or_none(row.key)) for row in _ROWS)
    return sum(row.connections for row, other in urls if other and other.address == url.address)


def _master_keys(values: Values) -> dict[str, str]:
    """Version → key."""
    return {_version(path): values.text(path) for path in values if _is_master_key(path)}


def _sources_of_master_keys(row: _Row, versions: Iterable[str]) -> dict[str, tuple[str, ...]]:
    if row.plane != "control_plane":
        return {}
    return {f"master_keys.{version}": (f"{_MASTER_KEYS}.{version}",) for version in (*versions, "*")}


def _is_master_key(path: str) -> bool:
    return path.startswith(f"{_MASTER_KEYS}.")


def _version(path: str) -> str:
    return path.rpartition(".")[2]


RESOURCES = tuple(
    Resource(
        name=row.name,
        kind=Postgres.kind,
        keys=(row.key,),
        services=row.services,
        make=partial(_make, row),
        extra=(f"{_MASTER_KEYS}.*",) if row.name == "postgres.control_plane.pooled" else (),
    )
    for row in _ROWS
)
