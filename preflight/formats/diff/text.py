"""The difference for a terminal. What is worse comes last, where it stays on the screen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from checks.core.finding import Status
from preflight.formats.shared.ansi import color, incident_lines, problem_lines, titled, with_mark

if TYPE_CHECKING:
    from preflight.saved.diff import ChangedProblem, Difference
    from preflight.saved.reader import SavedReport


def render(difference: Difference) -> str:
    """Both reports, the differences, and the verdict; with detail -1 only failures and the verdict."""
    parts = list(_other(difference)) if difference.shows_all else []
    parts += [
        titled("still failing", (line for each in difference.still for line in _problem(each))),
        titled("new failures", (line for each in difference.new for line in _problem(each))),
        incident_lines(difference.ended, "incidents that ended") if difference.shows_all else [],
        incident_lines(difference.began, "new incidents"),
        [_verdict(difference)],
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _other(difference: Difference) -> Iterator[list[str]]:
    """The reports, and what is no failure."""
    yield [_report("before", difference.before), _report("after ", difference.after)]
    yield titled("changed", _facts(difference))
    yield titled("no longer proven", _unproven(difference))
    yield titled("fixed", (with_mark(Status.OK, _title(each)) for each in difference.fixed))


def _report(role: str, report: SavedReport) -> str:
    ready = "ready" if report.ready else "not ready"
    parts = (f"{role}  {report.name}", report.started_at, report.stage, report.service, ready)
    return " · ".join(filter(None, parts))


def _facts(difference: Difference) -> Iterator[str]:
    for change in difference.facts:
        yield f"  {change.check}  {change.fact}: {_value(change.before)} → {_value(change.after)}"


def _value(value: object) -> str:
    return "not known" if value is None else str(value)


def _unproven(difference: Difference) -> Iterator[str]:
    for key in difference.unproven:
        yield with_mark(Status.SKIP, key)
    for problem in difference.unchecked:
        yield with_mark(Status.SKIP, f"{_title(problem)}: not checked again")


def _problem(problem: ChangedProblem) -> Iterator[str]:
    finding = problem.finding
    was = (f"was {', '.join(problem.was)}",) if problem.was else ()
    return problem_lines(finding, (problem.check, finding.layer), (*was, *finding.fields))


def _title(problem: ChangedProblem) -> str:
    return f"{problem.finding.id}  ({problem.check}, {problem.finding.layer})"


def _verdict(difference: Difference) -> str:
    verdict = color("1;31", "WORSE") if difference.worse else color("1;32", "NOT WORSE")
    counts = f"{len(difference.new)} new, {len(difference.still)} still failing, {len(difference.fixed)} fixed"
    return f"{verdict} · {counts}"
