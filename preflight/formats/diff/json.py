"""The difference as JSON. A new version may add members, and renames none."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from preflight.formats.shared.documents import finding_members, incident_members, report_members, to_json

if TYPE_CHECKING:
    from preflight.saved.diff import ChangedProblem, Difference

SCHEMA = "mistle-preflight-diff/1"


def render(difference: Difference) -> str:
    """One JSON document."""
    document = {
        "schema": SCHEMA,
        "worse": difference.worse,
        "before": report_members(difference.before),
        "after": report_members(difference.after),
        "new": _problems(difference.new),
        "fixed": _problems(difference.fixed),
        "still": _problems(difference.still),
        "unchecked": _problems(difference.unchecked),
        "unproven": difference.unproven,
        "began": [incident_members(each) for each in difference.began],
        "ended": [incident_members(each) for each in difference.ended],
        "facts": [
            {"check": change.check, "fact": change.fact, "before": change.before, "after": change.after}
            for change in difference.facts
        ],
    }
    return to_json(document)


def _problems(problems: Iterable[ChangedProblem]) -> list[dict[str, object]]:
    return [{"check": each.check, **finding_members(each.finding), "was": each.was} for each in problems]
