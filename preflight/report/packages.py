"""The packages that this program needs, and those that are there: another may come first on the path."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

from preflight.report.run_causes import OTHER_PACKAGE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from checks.core.check import Diagnosis


@cache
def other() -> Diagnosis | None:
    """What is there in another version than pyproject.toml allows; None where all are right, or nothing is known."""
    with suppress(Exception):  # it explains a bug, and may not hide it
        if found := "; ".join(_others()):
            return OTHER_PACKAGE.diagnosis(found)
    return None


def _others() -> Iterator[str]:
    from importlib.metadata import distribution, requires

    from packaging.requirements import Requirement

    for requirement in map(Requirement, requires("mistle-preflight") or ()):
        if not requirement.marker or requirement.marker.evaluate({"extra": ""}):
            there = distribution(requirement.name)
            if not requirement.specifier.contains(there.version, prereleases=True):
                name, place = requirement.name, there.locate_file("")
                yield f"{name} {there.version} is in {place}, and {name}{requirement.specifier} is needed"
