"""The ids of findings that flags and arguments name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from preflight.cli.options import UsageError
from preflight.config.suggestions import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable


def covered(ignored: Iterable[str]) -> frozenset[str]:
    """All ids that ``--ignore`` covers. Raises UsageError."""
    if not ignored:
        return frozenset()
    from preflight.reference import catalogue  # 40 ms, and most runs ignore nothing

    require(ignored)
    return catalogue.covered(ignored)


def require(ids: Iterable[str]) -> None:
    """Raises UsageError for an id that no finding has."""
    from preflight.reference.catalogue import names

    for id_ in ids:
        if id_ not in names():
            raise UsageError(f"there is no finding {id_!r}{did_you_mean(id_, names())}")
