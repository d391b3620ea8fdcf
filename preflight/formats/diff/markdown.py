"""The difference for a comment on a change: GitHub's Markdown, the verdict first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checks.core.check import Status
from preflight.formats.shared.gfm import MARKS, code, table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from preflight.saved.diff import ChangedProblem, Difference
    from preflight.saved.reader import SavedReport


def render(difference: Difference) -> str:
    """One document."""
    worse = difference.worse
    parts = (
        f"## {MARKS[Status.FAIL if worse else Status.OK]} {'WORSE' if worse else 'NOT WORSE'}",
        table(("", "report", "started", "stage", "service", "verdict"), _reports(difference)),
        _section("New failures", map(_problem, difference.new)),
        _section("Still failing", map(_problem, difference.still)),
        _section("Fixed", map(_title, difference.fixed)),
        _section("No longer proven", (*map(code, difference.unproven), *map(_title, difference.unchecked))),
        _facts(difference),
    )
    return "\n\n".join(filter(None, parts)) + "\n"


def _reports(difference: Difference) -> Iterable[tuple[str, ...]]:
    return (_report("before", difference.before), _report("after", difference.after))


def _report(role: str, report: SavedReport) -> tuple[str, ...]:
    about = (report.name, report.started_at, report.stage, report.service or "")
    return (role, *map(code, about), "ready" if report.ready else "not ready")


def _section(title: str, items: Iterable[str]) -> str:
    lines = [f"- {item}" for item in items]
    return "\n".join((f"### {title}\n", *lines)) if lines else ""


def _problem(problem: ChangedProblem) -> str:
    finding = problem.finding
    lines = (
        _title(problem),
        f"was {', '.join(map(code, problem.was))}" if problem.was else "",
        *map(code, finding.fields),
        code(finding.message),
        f"→ {code(finding.hint)}" if finding.hint else "",
    )
    return "\\\n  ".join(filter(None, lines))


def _title(problem: ChangedProblem) -> str:
    finding = problem.finding
    return f"{MARKS[finding.status]} {code(finding.id)} in {code(problem.check)}, {finding.layer}"


def _facts(difference: Difference) -> str:
    rows = [
        (code(change.check), code(change.fact), _known(change.before), _known(change.after))
        for change in difference.facts
    ]
    return "### Changed\n\n" + table(("check", "fact", "before", "after"), rows) if rows else ""


def _known(value: object) -> str:
    return "" if value is None else code(str(value))
