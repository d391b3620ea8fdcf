"""The matrix for a page or a comment: GitHub's Markdown, the verdict first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checks.core.check import Status
from preflight.formats.shared.gfm import MARKS, code, folded, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from preflight.saved.merge import Cell, MergedProblem, MergedReport


def render(matrix: MergedReport) -> str:
    """One document."""
    ready = matrix.ready
    parts = (
        f"## {MARKS[Status.OK if ready else Status.FAIL]} {'READY' if ready else 'NOT READY'}",
        table(("", "vantage", "service", "stage", "started"), _vantages(matrix)),
        _unseen(matrix),
        _troubles(matrix, Status.FAIL, "Failures"),
        _troubles(matrix, Status.WARN, "Warnings"),
        folded("Keys", table(("", "key", *(str(n) for n, _ in enumerate(matrix.vantages, 1))), _rows(matrix))),
    )
    return "\n\n".join(filter(None, parts)) + "\n"


def _vantages(matrix: MergedReport) -> Iterator[tuple[str, ...]]:
    for number, vantage in enumerate(matrix.vantages, 1):
        ended = " (interrupted)" if vantage.name in matrix.incomplete else ""
        about = (vantage.name, vantage.service or "the whole deployment", vantage.stage, vantage.started_at)
        yield (f"{number}{ended}", *map(code, about))


def _unseen(matrix: MergedReport) -> str:
    names = ", ".join(map(code, matrix.unseen))
    return f"No report of {names}: what only they need is not judged." if names else ""


def _troubles(matrix: MergedReport, status: Status, title: str) -> str:
    items = [_trouble(each) for each in matrix.troubles if each.finding.status is status]
    return "\n".join((f"### {title}\n", *items)) if items else ""


def _trouble(trouble: MergedProblem) -> str:
    finding = trouble.finding
    lines = (
        f"{MARKS[finding.status]} {code(finding.id)} in {code(trouble.check)}, {finding.layer}",
        f"seen from {', '.join(map(code, trouble.vantages))}",
        *map(code, finding.fields),
        code(finding.message),
        f"→ {code(finding.hint)}" if finding.hint else "",
    )
    return "- " + "\\\n  ".join(filter(None, lines))


def _rows(matrix: MergedReport) -> Iterator[tuple[str, ...]]:
    for row in matrix.rows:
        yield (MARKS[row.status], code(row.key), *map(_cell, row.cells))


def _cell(cell: Cell | None) -> str:
    """In brackets where it does not count."""
    if cell is None:
        return ""
    mark = MARKS[cell.verdict.status]
    return mark if cell.counts else f"({mark})"
