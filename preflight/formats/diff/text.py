"""The difference for whoever compares two runs: what got worse comes last, where the eye is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checks.core.check import Status
from preflight.formats.shared.ansi import color, marked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from preflight.saved.diff import ChangedProblem, Difference
    from preflight.saved.reader import SavedReport


def render(difference: Difference) -> str:
    """Both reports, what changed, and the verdict."""
    parts = [
        [_report("before", difference.before), _report("after ", difference.after)],
        _section("changed", _facts(difference)),
        _section("no longer proven", _unproven(difference)),
        _section("fixed", (marked(Status.OK, _title(each)) for each in difference.fixed)),
        _section("still failing", (line for each in difference.still for line in _problem(each))),
        _section("new failures", (line for each in difference.new for line in _problem(each))),
        [_verdict(difference)],
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _report(role: str, document: SavedReport) -> str:
    ready = "ready" if document.ready else "not ready"
    return " · ".join(
        filter(None, (f"{role}  {document.name}", document.started_at, document.stage, document.service, ready))
    )


def _section(title: str, lines: Iterator[str]) -> list[str]:
    found = list(lines)
    return [color("1", title), *found] if found else []


def _facts(difference: Difference) -> Iterator[str]:
    for change in difference.facts:
        yield f"  {change.check}  {change.fact}: {_known(change.before)} → {_known(change.after)}"


def _known(value: object) -> str:
    return "not known" if value is None else str(value)


def _unproven(difference: Difference) -> Iterator[str]:
    for key in difference.unproven:
        yield marked(Status.SKIP, key)
    for problem in difference.unchecked:
        yield marked(Status.SKIP, f"{_title(problem)}: not checked again")


def _problem(problem: ChangedProblem) -> Iterator[str]:
    yield marked(problem.finding.status, _title(problem))
    if problem.was:
        yield f"      was {', '.join(problem.was)}"
    yield from (f"      {key}" for key in problem.finding.fields)
    yield f"      {problem.finding.message}"
    if problem.finding.hint:
        yield f"      → {problem.finding.hint}"


def _title(problem: ChangedProblem) -> str:
    return f"{problem.finding.id}  ({problem.check}, {problem.finding.layer})"


def _verdict(difference: Difference) -> str:
    word = color("1;31", "WORSE") if difference.worse else color("1;32", "NOT WORSE")
    counts = f"{len(difference.new)} new, {len(difference.still)} still failing, {len(difference.fixed)} fixed"
    return f"{word} · {counts}"
