"""The report of a run: a result for every check, a verdict for every key, and the exit code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Literal

from checks.core.finding import Finding, Status
from checks.core.text import clean
from preflight.report.result import Result, each_finding
from preflight.report.run_causes import EXIT_CODES

if TYPE_CHECKING:
    from datetime import datetime

    from preflight.config.origin import InFile, Origin
    from preflight.report.incidents.model import Incident

Evidence = Literal["probed", "validated", "none"]


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
    """The input of a format. ``detail``: -1 failures only, 0 the default, 1 every layer.

    ``config`` is the path of the configuration as it was given, or ``environment``; ``file`` is its path in its
    repository, None if there is no file. ``ignored`` has ids, and ids at a check (``id@check``). No format shows the
    ``tracebacks`` of bugs: they are for developers.
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
        """The findings of all checks."""
        return tuple(finding for _, finding in self.pairs)

    @cached_property
    def incidents(self) -> tuple[Incident, ...]:
        """The cause of every failure and warning, with the findings that follow from it."""
        if all(finding.status < Status.WARN for finding in self.findings):
            return ()
        from preflight.report.incidents.finder import find

        return find(self.results)

    @cached_property
    def incident_of(self) -> Mapping[tuple[str, str], Incident]:
        """The incidents of the findings that follow from something, by check and id."""
        return {(each.check, each.id): incident for incident in self.incidents for each in incident.consequences}

    @property
    def ready(self) -> bool:
        """Whether the run was complete, and found nothing at the fail level that is not ignored."""
        return self.exit_code == 0

    @property
    def exit_code(self) -> int:
        """0 ready, 1 not ready, 2 could not start, 3 a bug, 130 and 143 interrupted."""
        if self.signal:
            return 128 + self.signal
        ids = {finding.id for finding in self.findings}
        verdict = int(any(self.blocks(*pair) for pair in self.pairs))
        return next((code for id_, code in EXIT_CODES.items() if id_ in ids), verdict)

    @property
    def shown_level(self) -> Status:
        """Texts show findings of this status and above: with detail -1 only those that make it not ready."""
        return self.fail_level if self.detail < 0 else Status.WARN

    def blocks(self, result: Result, finding: Finding) -> bool:
        """Whether this finding of a check alone makes the run not ready."""
        counts = finding.status >= self.fail_level and not self.is_ignored(result, finding)
        return counts or finding.id in EXIT_CODES

    def is_ignored(self, result: Result, finding: Finding) -> bool:
        """Whether the caller wants this finding of a check not to count."""
        return is_ignored(finding.id, result.name, self.ignored)

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """How many checks and keys have each status."""
        counters = {
            "checks": Counter(result.status for result in self.results),
            "keys": Counter(verdict.status for verdict in self.keys),
        }
        return {name: {str(status): counter[status] for status in Status} for name, counter in counters.items()}


@dataclass(frozen=True)
class Reports:
    """The reports of several files."""

    reports: tuple[Report, ...]

    @property
    def exit_code(self) -> int:
        """The highest."""
        return max(report.exit_code for report in self.reports)


def ignoring(results: tuple[Result, ...], ignored: frozenset[str]) -> tuple[Result, ...]:
    """The results with the ignored failures as warnings. ``ignored``: ids, and ids at a check (``id@check``)."""
    return tuple(each for result in results for each in each_finding((result,), partial(_softened, result, ignored)))


def is_ignored(id_: str, check: str, ignored: frozenset[str]) -> bool:
    """Whether a finding of a check is among these."""
    return id_ in ignored or f"{id_}@{check}" in ignored


def _softened(result: Result, ignored: frozenset[str], finding: Finding) -> Finding:
    if not is_ignored(finding.id, result.name, ignored):
        return finding
    return replace(finding, status=min(finding.status, Status.WARN))
