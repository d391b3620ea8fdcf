"""The matrix for machines. Additions are compatible, renames are not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from preflight.formats.shared.documents import finding_members, to_json

if TYPE_CHECKING:
    from preflight.saved.merge import Cell, MergedKey, MergedProblem, MergedReport

SCHEMA = "mistle-preflight-matrix/1"


def render(matrix: MergedReport) -> str:
    """One JSON document. A row's cells stand in the order of the vantages."""
    document = {
        "schema": SCHEMA,
        "ready": matrix.ready,
        "vantages": [
            {
                "name": vantage.name,
                "service": vantage.service,
                "stage": vantage.stage,
                "started_at": vantage.started_at,
                "ready": vantage.ready,
                "complete": vantage.name not in matrix.incomplete,
            }
            for vantage in matrix.vantages
        ],
        "unseen": matrix.unseen,
        "keys": [_row(row) for row in matrix.rows],
        "findings": [_trouble(each) for each in matrix.troubles],
    }
    return to_json(document)


def _row(row: MergedKey) -> dict[str, object]:
    return {
        "key": row.key,
        "status": str(row.status),
        "services": row.services,
        "vantages": [cell and _cell(cell) for cell in row.cells],
    }


def _cell(cell: Cell) -> dict[str, object]:
    verdict = cell.verdict
    return {
        "status": str(verdict.status),
        "evidence": verdict.evidence,
        "origin": verdict.origin and str(verdict.origin),
        "findings": verdict.findings,
        "counts": cell.counts,
    }


def _trouble(trouble: MergedProblem) -> dict[str, object]:
    return {
        "vantages": trouble.vantages,
        "check": trouble.check,
        **finding_members(trouble.finding),
    }
