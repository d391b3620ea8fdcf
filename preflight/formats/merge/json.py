"""The merged report as JSON. A new version may add members, and renames none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from preflight.formats.shared.documents import (
    finding_members,
    incident_members,
    report_members,
    to_json,
    verdict_members,
)

if TYPE_CHECKING:
    from preflight.saved.merge import Cell, MergedKey, MergedReport

SCHEMA = "mistle-preflight-matrix/1"


def render(merged: MergedReport) -> str:
    """One JSON document. The cells of a key are in the order of the vantages."""
    document = {
        "schema": SCHEMA,
        "ready": merged.ready,
        "vantages": [
            report_members(vantage) | {"complete": vantage.name not in merged.incomplete} for vantage in merged.vantages
        ],
        "unseen": merged.unseen,
        "incidents": [incident_members(each) | {"vantages": each.vantages} for each in merged.incidents],
        "keys": [_key(key) for key in merged.keys],
        "findings": [
            {"vantages": each.vantages, "check": each.check, **finding_members(each.finding)}
            for each in merged.problems
        ],
    }
    return to_json(document)


def _key(merged: MergedKey) -> dict[str, object]:
    return {
        "key": merged.key,
        "status": str(merged.status),
        "services": merged.services,
        "vantages": [cell and _cell(cell) for cell in merged.cells],
    }


def _cell(cell: Cell) -> dict[str, object]:
    return verdict_members(cell.verdict) | {"counts": cell.counts}
