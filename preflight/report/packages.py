"""Finds installed packages of a wrong version: another installation may come first on the path."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import cache

from checks.core.finding import Diagnosis
from preflight.report.run_causes import OTHER_PACKAGE


@cache
def unsupported() -> Diagnosis | None:
    """The packages whose version pyproject.toml does not allow; None if all are allowed, or metadata is missing."""
    with suppress(Exception):  # it explains a bug, and may not hide it
        if packages := "; ".join(_unsupported()):
            return OTHER_PACKAGE.diagnosis(packages)
    return None


def _unsupported() -> Iterator[str]:
    from importlib.metadata import distribution, requires

    from packaging.requirements import Requirement

    for requirement in map(Requirement, requires("mistle-preflight") or ()):
        if not requirement.marker or requirement.marker.evaluate({"extra": ""}):
            installed = distribution(requirement.name)
            if not requirement.specifier.contains(installed.version, prereleases=True):
                name, folder = requirement.name, installed.locate_file("")
                yield f"{name} {installed.version} is in {folder}, and {name}{requirement.specifier} is needed"
