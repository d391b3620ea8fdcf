"""What a run found: a result for every check, a verdict for every key, and the exit code that follows."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from checks.core.check import Finding, Status
from checks.core.text import clean
from preflight.report.run_causes import CUT_SHORT, EXIT_CODES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from preflight.config.origin import InFile, Origin

Evidence = Literal["probed", "validated", "none"]


@dataclass(frozen=True)
class Result:
    """What one check found. In its findings, ``fields`` are configuration keys. ``facts`` are what was seen of the
    target, small values by name; ``services`` use the target.

    The words of a result, a verdict and a report are inert, as a finding's are: a format minds its own markup alone.
    """

    name: str
    kind: str
    target: str
    keys: tuple[str, ...]
    findings: tuple[Finding, ...]
    seconds: float = 0.0
    facts: Mapping[str, object] = field(default_factory=dict)
    services: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "target", clean(self.target))

    @property
    def status(self) -> Status:
        """The worst of its findings."""
        return max((finding.status for finding in self.findings), default=Status.OK)

    @property
    def is_complete(self) -> bool:
        """Whether every rung was climbed."""
        return not {Status.SKIP, Status.FAIL} & {finding.status for finding in self.findings}

    @property
    def is_cut_short(self) -> bool:
        """Whether it ended for a reason that says nothing of its target."""
        return any(finding.id in CUT_SHORT for finding in self.findings)


@dataclass(frozen=True)
class KeyVerdict:
    """The verdict on one configuration key. ``evidence`` is ``probed`` only if a layer of a check tried the value.

    ``origin`` is None if the key is not set; then ``belongs`` is the line of the file that it belongs below, if there
    is a file.
    """

    key: str
    status: Status
    evidence: Evidence
    origin: Origin | None
    findings: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    belongs: InFile | None = None

    @property
    def origin_text(self) -> str:
        """The origin as reports show it."""
        return str(self.origin or "not set")


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything that a format shows. ``detail``: -1 failures only, 0 the usual, 1 every rung.

    ``config`` is what was read, a path as it was given or ``environment``; ``file`` the same file as its repository
    knows it, None where there is none.
    ``tracebacks`` of bugs are for whoever mends them, and in no format.
    """

    version: str
    command: str
    config: str | None
    stage: str
    service: str | None
    started_at: datetime
    seconds: float
    results: tuple[Result, ...]
    keys: tuple[KeyVerdict, ...] = ()
    fail_level: Status = Status.FAIL
    ignored: frozenset[str] = frozenset()
    signal: int | None = None
    detail: int = 0
    file: str | None = None
    tracebacks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "config", self.config and clean(self.config))

    @property
    def pairs(self) -> tuple[tuple[Result, Finding], ...]:
        """Every finding, with the result that it belongs to."""
        return tuple((result, finding) for result in self.results for finding in result.findings)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Those of all checks."""
        return tuple(finding for _, finding in self.pairs)

    @property
    def ready(self) -> bool:
        """Whether the run came to its end, with nothing at the fail level that is not ignored."""
        return self.exit_code == 0

    @property
    def exit_code(self) -> int:
        """0 ready, 1 not ready, 2 could not start, 3 a bug, 130 and 143 interrupted."""
        if self.signal:
            return 128 + self.signal
        met = {finding.id for finding in self.findings}
        verdict = int(any(map(self.blocks, self.findings)))
        return next((code for id_, code in EXIT_CODES.items() if id_ in met), verdict)

    def blocks(self, finding: Finding) -> bool:
        """Whether this finding alone makes the run not ready."""
        counts = finding.status >= self.fail_level and finding.id not in self.ignored
        return counts or finding.id in EXIT_CODES

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """How many checks and keys have each status."""
        tallies = {
            "checks": Counter(result.status for result in self.results),
            "keys": Counter(verdict.status for verdict in self.keys),
        }
        return {name: {str(status): tally[status] for status in Status} for name, tally in tallies.items()}


def fact(value: object, limit: int = 300) -> str | float | None:
    """What was seen, as every document can hold it: no number that JSON does not know, else at most so many words."""
    match value:
        case None | bool():
            return value
        case int() if value.bit_length() < 64:
            return value
        case float() if math.isfinite(value):
            return value
    return clean(str(value), limit)


def ignoring(results: tuple[Result, ...], ignored: frozenset[str]) -> tuple[Result, ...]:
    """The results with the ignored failures as warnings."""
    return each_finding(results, lambda finding: _softened(finding) if finding.id in ignored else finding)


def _softened(finding: Finding) -> Finding:
    return replace(finding, status=min(finding.status, Status.WARN))


def each_finding(results: tuple[Result, ...], change: Callable[[Finding], Finding]) -> tuple[Result, ...]:
    """The results with every finding changed so."""
    return tuple(replace(result, findings=tuple(map(change, result.findings))) for result in results)
