"""What changed from one run to the next, a line each."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from checks.core.finding import Status
from preflight.formats.shared.phrases import STYLES, verdict
from preflight.saved.diff import ChangedProblem, Difference, diff

if TYPE_CHECKING:
    from preflight.saved.reader import SavedReport
    from preflight.serve.outcome import Outcome

_KEPT = 50  # runs that changed something
_LINES = 40  # of one run


class ChangeLine(NamedTuple):
    """One change. ``kind``: fixed, new, changed and so on."""

    status: Status
    kind: str
    text: str

    @property
    def mark(self) -> str:
        """The mark of its status."""
        return STYLES[self.status].mark


@dataclass(frozen=True)
class RunChanges:
    """The changes of one run, which ended ``at`` that time."""

    at: datetime
    lines: tuple[ChangeLine, ...]

    @property
    def texts(self) -> tuple[str, ...]:
        """Each line with its time."""
        return tuple(f"{stamp(self.at)}  {line.mark} {line.kind:9}  {line.text}" for line in self.lines)


@dataclass
class History:
    """The runs that changed something, the latest first. Add every run."""

    runs: deque[RunChanges] = field(default_factory=lambda: deque(maxlen=_KEPT))
    last: Outcome | None = None

    def add(self, outcome: Outcome) -> RunChanges:
        """Returns the changes of this run. In the first run, all is new."""
        changed = RunChanges(outcome.ended_at, _bounded(tuple(changes(self.last, outcome))))
        self.last = outcome
        if changed.lines:
            self.runs.appendleft(changed)
        return changed


def stamp(at: datetime) -> str:
    """A time in UTC, as in a report."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def changes(before: Outcome | None, after: Outcome) -> Iterator[ChangeLine]:
    """The lines of what changed; the verdict first."""
    if before is None or before.code != after.code:
        was = f", was {before.code}" if before else ""
        status = Status.OK if after.ready else Status.FAIL
        yield ChangeLine(status, verdict(ready=after.ready), f"exit code {after.code}{was}")
    yield from _of(diff(before.report if before else _empty(after.report), after.report, Status.WARN))


def _empty(report: SavedReport) -> SavedReport:
    return replace(report, ready=True, results=(), keys=())


def _of(difference: Difference) -> Iterator[ChangeLine]:
    for incident in difference.began:
        keys = ", ".join(incident.root.keys or incident.root.checks)
        yield ChangeLine(incident.status, "cause", f"{incident.root.id} ({keys}): {incident.why}")
    yield from (_problem("new", problem) for problem in difference.new)
    yield from (_problem("now", problem) for problem in difference.still if problem.was)
    for problem in difference.fixed:
        yield ChangeLine(Status.OK, "fixed", _title(problem))
    for problem in difference.unchecked:
        yield ChangeLine(Status.SKIP, "unchecked", f"{_title(problem)}: its check did not run again")
    if difference.unproven:
        yield ChangeLine(Status.SKIP, "unproven", ", ".join(difference.unproven))
    for change in difference.facts:
        was, now = ("not known" if value is None else value for value in (change.before, change.after))
        yield ChangeLine(Status.SKIP, "changed", f"{change.check} {change.fact}: {was} → {now}")


def _problem(kind: str, problem: ChangedProblem) -> ChangeLine:
    was = f" (was {', '.join(problem.was)})" if problem.was else ""
    return ChangeLine(problem.finding.status, kind, f"{_title(problem)}: {problem.finding.message}{was}")


def _title(problem: ChangedProblem) -> str:
    finding = problem.finding
    return f"{finding.id} ({', '.join(finding.fields) or problem.check})"


def _bounded(lines: tuple[ChangeLine, ...]) -> tuple[ChangeLine, ...]:
    if len(lines) <= _LINES:
        return lines
    return *lines[:_LINES], ChangeLine(Status.SKIP, "more", f"{len(lines) - _LINES} other changes")
