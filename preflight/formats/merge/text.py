"""The matrix for a terminal: a row for every key, a numbered column for every vantage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checks.core.check import Status
from preflight.formats.shared.ansi import color, marked
from preflight.formats.shared.phrases import STYLES, grouped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from preflight.saved.merge import Cell, MergedKey, MergedProblem, MergedReport


def render(matrix: MergedReport) -> str:
    """Vantages, keys, what is wrong, and the verdict."""
    parts = [
        list(_vantages(matrix)),
        list(_rows(matrix)),
        *(
            [color("1", title), *lines]
            for status, title in ((Status.WARN, "warnings"), (Status.FAIL, "failures"))
            if (lines := [line for each in matrix.troubles if each.finding.status is status for line in _trouble(each)])
        ),
        [_verdict(matrix)],
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _vantages(matrix: MergedReport) -> Iterator[str]:
    yield color("1", "vantages")
    names = max(len(vantage.name) for vantage in matrix.vantages)
    for number, vantage in enumerate(matrix.vantages, 1):
        ended = " · interrupted" if vantage.name in matrix.incomplete else ""
        seen = f"as {vantage.service}" if vantage.service else "the whole deployment"
        yield f"  {number:2}  {vantage.name:{names}}  {seen} · {vantage.stage} · {vantage.started_at}{ended}"
    if matrix.unseen:
        yield marked(Status.WARN, f"no report of {', '.join(matrix.unseen)}: what only they need is not judged")


def _rows(matrix: MergedReport) -> Iterator[str]:
    width = max((len(row.key) for row in matrix.rows), default=0)
    head = "".join(f"{number:>4}" for number in range(1, len(matrix.vantages) + 1))
    for section, rows in grouped(matrix.rows, lambda row: row.key.partition(".")[0]).items():
        yield f"{color('1', f'[{section}]'.ljust(width + 4))}{head}"
        yield from (_row(row, width) for row in rows)


def _row(row: MergedKey, width: int) -> str:
    """Coloured as a whole where it asks for attention, as in a report."""
    cells = "".join(map(_cell, row.cells))
    return marked(row.status, f"{row.key:{width}}{cells}")


def _cell(cell: Cell | None) -> str:
    """In brackets where it does not count."""
    if cell is None:
        return "    "  # this vantage's configuration does not have the key
    mark = STYLES[cell.verdict.status].mark
    return f"   {mark}" if cell.counts else f" ({mark})"


def _trouble(trouble: MergedProblem) -> Iterator[str]:
    finding = trouble.finding
    yield marked(finding.status, f"{finding.id}  ({trouble.check}, {finding.layer})")
    yield f"      seen from {', '.join(trouble.vantages)}"
    yield from (f"      {key}" for key in finding.fields)
    yield f"      {finding.message}"
    if finding.hint:
        yield f"      → {finding.hint}"


def _verdict(matrix: MergedReport) -> str:
    word = color("1;32", "READY") if matrix.ready else color("1;31", "NOT READY")
    tallies = [
        f"{count} {STYLES[status].counted}"
        for status in reversed(Status)
        if (count := sum(row.status is status for row in matrix.rows))
    ]
    return " · ".join((word, f"vantages: {len(matrix.vantages)}", f"keys: {', '.join(tallies) or 'none'}"))
