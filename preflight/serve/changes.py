"""What changed from one run to the next, a line each."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from checks.core.check import Status
from preflight.formats.shared.phrases import STYLES, verdict
from preflight.saved.diff import ChangedProblem, Difference, diff

if TYPE_CHECKING:
    from preflight.saved.reader import SavedReport
    from preflight.serve.outcome import Outcome

_KEPT = 50  # moments
_LINES = 40  # of a moment


class Line(NamedTuple):
    """One change. ``word``: what kind of change it is."""

    status: Status
    word: str
    text: str

    @property
    def mark(self) -> str:
        """The mark of its status."""
        return STYLES[self.status].mark


@dataclass(frozen=True)
class Moment:
    """What the run that ended then changed."""

    at: datetime
    lines: tuple[Line, ...]

    @property
    def texts(self) -> tuple[str, ...]:
        """Each line with its time."""
        return tuple(f"{stamp(self.at)}  {line.mark} {line.word:9}  {line.text}" for line in self.lines)


@dataclass
class History:
    """The last changes, the latest first. Every run is to be added."""

    moments: deque[Moment] = field(default_factory=lambda: deque(maxlen=_KEPT))
    last: Outcome | None = None

    def add(self, outcome: Outcome) -> Moment:
        """Returns what this run changed. In the first one all is new."""
        moment = Moment(outcome.ended_at, _bounded(tuple(changes(self.last, outcome))))
        self.last = outcome
        if moment.lines:
            self.moments.appendleft(moment)
        return moment


def stamp(at: datetime) -> str:
    """A time in UTC, as in a report."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def changes(before: Outcome | None, after: Outcome) -> Iterator[Line]:
    """The lines of what changed; the verdict first."""
    if before is None or before.code != after.code:
        was = f", was {before.code}" if before else ""
        status = Status.OK if after.ready else Status.FAIL
        yield Line(status, verdict(ready=after.ready), f"exit code {after.code}{was}")
    yield from _of(diff(before.report if before else _empty(after.report), after.report, Status.WARN))


def _empty(report: SavedReport) -> SavedReport:
    return replace(report, ready=True, results=(), keys=())


def _of(difference: Difference) -> Iterator[Line]:
    for incident in difference.began:
        keys = ", ".join(incident.root.keys or incident.root.checks)
        yield Line(incident.status, "cause", f"{incident.root.id} ({keys}): {incident.why}")
    yield from (_problem("new", problem) for problem in difference.new)
    yield from (_problem("now", problem) for problem in difference.still if problem.was)
    for problem in difference.fixed:
        yield Line(Status.OK, "fixed", _title(problem))
    for problem in difference.unchecked:
        yield Line(Status.SKIP, "unchecked", f"{_title(problem)}: its check did not run again")
    if difference.unproven:
        yield Line(Status.SKIP, "unproven", ", ".join(difference.unproven))
    for change in difference.facts:
        was, now = ("not known" if value is None else value for value in (change.before, change.after))
        yield Line(Status.SKIP, "changed", f"{change.check} {change.fact}: {was} → {now}")


def _problem(word: str, problem: ChangedProblem) -> Line:
    was = f" (was {', '.join(problem.was)})" if problem.was else ""
    return Line(problem.finding.status, word, f"{_title(problem)}: {problem.finding.message}{was}")


def _title(problem: ChangedProblem) -> str:
    finding = problem.finding
    return f"{finding.id} ({', '.join(finding.fields) or problem.check})"


def _bounded(lines: tuple[Line, ...]) -> tuple[Line, ...]:
    if len(lines) <= _LINES:
        return lines
    return *lines[:_LINES], Line(Status.SKIP, "more", f"{len(lines) - _LINES} other changes")
