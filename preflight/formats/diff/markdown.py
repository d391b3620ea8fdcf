"""The difference for a comment on a change, in GitHub's Markdown: the verdict first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from checks.core.finding import Status
from preflight.formats.shared.gfm import MARKS, code, incident_section, problem, problem_title, section, table

if TYPE_CHECKING:
    from preflight.saved.diff import ChangedProblem, Difference
    from preflight.saved.reader import SavedReport


def render(difference: Difference) -> str:
    """One document; with detail -1 only failures and the verdict."""
    worse, full = difference.worse, difference.shows_all
    parts = (
        f"## {MARKS[Status.FAIL if worse else Status.OK]} {'WORSE' if worse else 'NOT WORSE'}",
        _reports(difference) if full else "",
        incident_section(difference.began, "New incidents"),
        incident_section(difference.ended, "Incidents that ended") if full else "",
        section("New failures", map(_problem, difference.new)),
        section("Still failing", map(_problem, difference.still)),
        *(_other(difference) if full else ()),
    )
    return "\n\n".join(filter(None, parts)) + "\n"


def _other(difference: Difference) -> Iterator[str]:
    """What is no failure."""
    yield section("Fixed", map(_title, difference.fixed))
    yield section("No longer proven", (*map(code, difference.unproven), *map(_title, difference.unchecked)))
    yield _facts(difference)


def _reports(difference: Difference) -> str:
    rows = (_report("before", difference.before), _report("after", difference.after))
    return table(("", "report", "started", "stage", "service", "verdict"), rows)


def _report(role: str, report: SavedReport) -> tuple[str, ...]:
    about = (report.name, report.started_at, report.stage, report.service or "")
    return (role, *map(code, about), "ready" if report.ready else "not ready")


def _problem(changed: ChangedProblem) -> str:
    was = f"was {', '.join(map(code, changed.was))}" if changed.was else ""
    return problem(changed.finding, _title(changed), (was, *map(code, changed.finding.fields)))


def _title(changed: ChangedProblem) -> str:
    return problem_title(changed.finding, changed.check)


def _facts(difference: Difference) -> str:
    rows = [
        (code(change.check), code(change.fact), _value(change.before), _value(change.after))
        for change in difference.facts
    ]
    return "### Changed\n\n" + table(("check", "fact", "before", "after"), rows) if rows else ""


def _value(value: object) -> str:
    return "" if value is None else code(str(value))
