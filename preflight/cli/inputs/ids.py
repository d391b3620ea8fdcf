"""The ids of findings that flags and arguments name."""

from __future__ import annotations

from collections.abc import Iterable

from preflight.cli.options import UsageError
from preflight.config.suggestions import did_you_mean


def covered(named: Iterable[str]) -> frozenset[str]:
    """All ids, also those of one check (``id@check``), that these cover. Raises UsageError."""
    if not named:
        return frozenset()
    from preflight.reference.catalogue import covered  # 40 ms, and most runs ignore nothing

    require_named(named)
    parts = (each.partition("@") for each in named)
    return frozenset(f"{each}{at}{check}" for id_, at, check in parts for each in covered([id_]))


def require_named(named: Iterable[str]) -> None:
    """Raises UsageError for an ``id`` or ``id@check`` whose finding or check does not exist."""
    for id_, at, check in (each.partition("@") for each in named):
        require([id_])
        if id_.startswith("incident."):
            raise UsageError(f"{id_} is no finding: name the findings that it explains")
        if at:
            _require_check(check)


def _require_check(name: str) -> None:
    from preflight.plan.resources import RESOURCES

    names = ("config", *(resource.name for resource in RESOURCES))
    if name not in names:
        raise UsageError(f"there is no check {name!r}{did_you_mean(name, names)}")


def require(ids: Iterable[str]) -> None:
    """Raises UsageError for an id that no finding has."""
    from preflight.reference.catalogue import names

    for id_ in ids:
        if id_ not in names():
            raise UsageError(f"there is no finding {id_!r}{did_you_mean(id_, names())}")
