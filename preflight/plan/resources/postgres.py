"""postgres.<plane>.direct_url and .pooled_url."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from checks.postgres import Postgres
from checks.postgres.uses import DIRECT, POOLED, Use
from preflight.config import urls
from preflight.plan.resource import Deployment, Resource

_MASTER_KEYS = "services.control_plane_api.integrations.master_encryption_keys"


@dataclass(frozen=True)
class _Row:
    plane: str
    way: str
    use: Use
    services: frozenset[str]
    connections: int  # ten for each process that has a pool on it

    @property
    def name(self) -> str:
        return f"postgres.{self.plane}.{self.way}"

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
    url = urls.parse(deployment.text(row.key))
    planes = _planes(row, deployment)
    keys = _master_keys(deployment) if row.use is POOLED and "control_plane" in planes else {}
    by_version = {f"master_keys.{key.rpartition('.')[2]}": (key,) for key in keys}
    any_version = {"master_keys.*": (f"{_MASTER_KEYS}.*",)}
    return Postgres(
        name=row.name,
        sources={"url": (row.key,), row.plane: (row.key,)}
        | (by_version | any_version if row.plane == "control_plane" else {}),
        use=row.use,
        host=url.host,
        port=url.port,
        username=url.username,
        password=url.password,
        database=url.path.removeprefix("/"),
        query=url.pairs,
        planes=planes,
        connections=_connections(url, deployment),
        production=deployment.production,
        deployed=deployment.deployed,
        unusable_master_keys=tuple(key.rpartition(".")[2] for key in deployment.broken if key.startswith(_MASTER_KEYS)),
        master_keys=tuple((key.rpartition(".")[2], str(value)) for key, value in keys.items()),
    )


def _planes(row: _Row, deployment: Deployment) -> tuple[str, ...]:
    """The planes whose wanted check has the same target: one connection asks for all of them."""
    same = (other for other in _ROWS if other.use is row.use and other.name in deployment.wanted)
    return tuple(other.plane for other in same if deployment.values[other.key] == deployment.values[row.key])


def _connections(url: urls.Url, deployment: Deployment) -> int:
    """What all of Mistle's processes together open at this server."""
    urls_of = ((row, deployment.values.get(row.key)) for row in _ROWS)
    return sum(row.connections for row, text in urls_of if isinstance(text, str) and _address(text) == url.address)


def _address(text: str) -> str:
    try:
        return urls.parse(text).address
    except urls.BadUrl:
        return ""


def _master_keys(deployment: Deployment) -> dict[str, object]:
    return {key: value for key, value in deployment.values.items() if key.startswith(f"{_MASTER_KEYS}.")}


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
