"""``--wait``: a check is tried again while all that it reports may disappear by waiting."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass

from checks.core.finding import Finding, Status
from preflight.report.model import is_ignored

_FIRST, _FACTOR, _LONGEST = 0.5, 1.6, 5.0  # seconds between two attempts, and how they grow


@dataclass(frozen=True)
class Wait:
    """How long failed checks are tried again (seconds), and which findings count as failures."""

    seconds: float = 0.0
    level: Status = Status.FAIL
    ignored: frozenset[str] = frozenset()

    def failures(self, findings: Iterable[Finding], checks: Iterable[str]) -> set[str]:
        """The ids of the findings of these checks, which are equal, that make the run not ready."""
        named = tuple(checks)
        return {each.id for each in findings if each.status >= self.level and not self._is_ignored(each.id, named)}

    def _is_ignored(self, id_: str, checks: tuple[str, ...]) -> bool:
        return all(is_ignored(id_, check, self.ignored) for check in checks)


@dataclass(frozen=True)
class Waiting:
    """The checks of these names failed with this finding, and are tried again after a pause."""

    names: tuple[str, ...]
    finding: str


def pause(attempt: int) -> float:
    """Seconds between attempt number ``attempt`` and the next one: growing, and random, so that checks differ."""
    return min(_LONGEST, _FIRST * _FACTOR ** (attempt - 1)) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
