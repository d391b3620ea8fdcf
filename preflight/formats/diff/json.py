"""The difference for machines. Additions are compatible, renames are not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from preflight.formats.shared.documents import finding_members, to_json

if TYPE_CHECKING:
    from preflight.saved.diff import ChangedProblem, Difference
    from preflight.saved.reader import SavedReport

SCHEMA = "mistle-preflight-diff/1"


def render(difference: Difference) -> str:
    """One JSON document."""
    document = {
        "schema": SCHEMA,
        "worse": difference.worse,
        "before": _report(difference.before),
        "after": _report(difference.after),
        "new": [_problem(each) for each in difference.new],
        "fixed": [_problem(each) for each in difference.fixed],
        "still": [_problem(each) for each in difference.still],
        "unchecked": [_problem(each) for each in difference.unchecked],
        "unproven": difference.unproven,
        "facts": [
            {"check": change.check, "fact": change.fact, "before": change.before, "after": change.after}
            for change in difference.facts
        ],
    }
    return to_json(document)


def _report(document: SavedReport) -> dict[str, object]:
    return {
        "name": document.name,
        "ready": document.ready,
        "stage": document.stage,
        "service": document.service,
        "started_at": document.started_at,
    }


def _problem(problem: ChangedProblem) -> dict[str, object]:
    return {
        "check": problem.check,
        **finding_members(problem.finding),
        "was": problem.was,
    }
