"""The result of one check."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from checks.core.finding import Finding, Status
from checks.core.text import clean
from preflight.report.run_causes import CUT_SHORT


@dataclass(frozen=True)
class Result:
    """The result of one check. In its findings, ``fields`` are configuration keys. ``facts``: name → a small value that
    the check read from its target; ``services`` use the target. ``credential`` is a label, the same for results of one
    login; it is in no document.

    All texts of a result, a verdict and a report are inert, as a finding's are: a format escapes only its own markup.
    """

    name: str
    kind: str
    target: str
    keys: tuple[str, ...]
    findings: tuple[Finding, ...]
    seconds: float = 0.0
    facts: Mapping[str, object] = field(default_factory=dict)
    services: tuple[str, ...] = ()
    credential: str = field(default="", compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "target", clean(self.target))

    @property
    def status(self) -> Status:
        """The worst of its findings."""
        return max((finding.status for finding in self.findings), default=Status.OK)

    @property
    def is_complete(self) -> bool:
        """Whether every layer was reached and none failed."""
        return not {Status.SKIP, Status.FAIL} & {finding.status for finding in self.findings}

    @property
    def is_cut_short(self) -> bool:
        """Whether it ended early for a reason that is not its target's."""
        return any(finding.id in CUT_SHORT and finding.status is not Status.WARN for finding in self.findings)


def fact(value: object, limit: int = 300) -> str | float | None:
    """A fact that every format can hold: a number that JSON can hold, else text of at most ``limit`` characters."""
    match value:
        case None | bool():
            return value
        case int() if value.bit_length() < 64:
            return value
        case float() if math.isfinite(value):
            return value
    return clean(str(value), limit)


def each_finding(results: tuple[Result, ...], change: Callable[[Finding], Finding]) -> tuple[Result, ...]:
    """The results with ``change`` applied to every finding."""
    return tuple(replace(result, findings=tuple(map(change, result.findings))) for result in results)
