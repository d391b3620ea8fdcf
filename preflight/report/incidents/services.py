"""Rules about what Mistle's services need, from what they do when they start and when they are asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from checks.core.finding import Layer
from preflight.report.incidents.model import Link, Problem
from preflight.report.incidents.observations import Observations

_NOT_UP = frozenset({"network.refused", "network.reset", "network.silent", "http.bad-gateway", "tunnel.bad-gateway"})
_API, _DATA_API, _GATEWAY = (
    f"services.{name}" for name in ("control_plane_api", "data_plane_api", "data_plane_gateway")
)


@dataclass(frozen=True)
class Need:
    """A failure of ``check`` follows from one of ``needs`` (patterns of names). ``ids``: of which failures, if not all.

    ``below``: the failure that it follows from is of this layer or below.
    """

    check: str
    needs: str
    why: str
    ids: frozenset[str] = frozenset()
    below: Layer = Layer.FITNESS


NEEDS = (
    *(
        Need(
            f"postgres.{plane}.pooled",
            f"postgres.{plane}.direct",
            "the pooler reports that its server is down, and the direct URL does not reach it either",
            frozenset({"postgres.pooler-backend-down"}),
            Layer.CONNECT,
        )
        for plane in ("control_plane", "data_plane")
    ),
    Need(f"{_GATEWAY}.internal", "kv.*", "the gateway connects to Valkey before it listens", _NOT_UP),
    Need(
        f"{_GATEWAY}.internal",
        "kv.*",
        "the gateway reports that it cannot use Valkey",
        frozenset({"gateway.valkey-unreachable"}),
    ),
    Need(
        f"{_GATEWAY}.sandbox_ws_*",
        "postgres.data_plane.*",
        "the gateway reports that it cannot use Postgres",
        frozenset({"gateway.postgres-unreachable"}),
    ),
    Need(
        f"{_API}.*",
        "postgres.control_plane.*",
        "the control-plane API reports that it cannot use Postgres",
        frozenset({"control-plane-api.postgres-unreachable"}),
    ),
    Need(
        f"{_DATA_API}.*",
        "postgres.data_plane.*",
        "the data-plane API reports that it cannot use Postgres",
        frozenset({"data-plane-api.postgres-unreachable"}),
    ),
    Need(
        f"{_API}.*",
        f"{_DATA_API}.internal",
        "the control-plane API asks the data-plane API",
        frozenset({"control-plane-api.data-plane-unreachable"}),
    ),
    Need(
        f"{_GATEWAY}.sandbox_ws_*",
        f"{_GATEWAY}.internal",
        "the tunnel is served by the gateway, which cannot be reached",
        _NOT_UP,
        Layer.CONNECT,
    ),
    Need(
        "sandbox.publish_base_domain",
        f"{_GATEWAY}.internal",
        "published sandboxes are served by the gateway, which cannot be reached",
        below=Layer.CONNECT,
        ids=_NOT_UP,
    ),
    Need(
        f"{_API}.public",
        f"{_API}.internal",
        "the public URL leads to the API, which cannot be reached at its internal URL",
        _NOT_UP | {"http.cors-refused", "http.sign-in-unreachable"},
        Layer.CONNECT,
    ),
    Need(
        "services.dashboard",
        f"{_API}.*",
        "the dashboard's sign-in and its requests need the API, which cannot be reached",
        frozenset({"http.cors-refused", "http.sign-in-unreachable"}),
        Layer.CONNECT,
    ),
)


def needs(observed: Observations) -> Iterator[Link]:
    """The failures that follow from a failure of what a service needs."""
    for problem in observed.problems:
        for need in NEEDS:
            if _is_of(need, problem) and (cause := _cause(observed, need)):
                yield Link(problem, cause, need.why)


def _is_of(need: Need, problem: Problem) -> bool:
    return fnmatchcase(problem.check, need.check) and (not need.ids or problem.id in need.ids)


def _cause(observed: Observations, need: Need) -> Problem | None:
    failed = (each for name, each in observed.failures.items() if fnmatchcase(name, need.needs))
    layers = [*Layer]
    return next((each for each in failed if layers.index(each.finding.layer) <= layers.index(need.below)), None)
