"""The merged report for a terminal: a row for every key, a numbered column for every vantage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from checks.core.finding import Status
from preflight.formats.shared.ansi import color, incident_lines, problem_lines, titled, with_mark
from preflight.formats.shared.incidents import related
from preflight.formats.shared.phrases import STYLES, counts_text, verdict
from preflight.grouping import grouped

if TYPE_CHECKING:
    from preflight.saved.merge import Cell, MergedKey, MergedProblem, MergedReport

_TITLES = {Status.WARN: "warnings", Status.FAIL: "failures"}


def render(merged: MergedReport) -> str:
    """Vantages, keys, warnings, failures, and the verdict; with detail -1 only failures and the verdict."""
    parts = list(_tables(merged)) if merged.detail >= 0 else []
    parts += [_problems(merged, status) for status in _TITLES if status >= merged.shown_level]
    parts.append(incident_lines(related(merged.incidents, merged.shown_level)))
    return "\n\n".join("\n".join(part) for part in (*parts, [_verdict(merged)]) if part) + "\n"


def _tables(merged: MergedReport) -> Iterator[list[str]]:
    yield list(_vantages(merged))
    yield list(_keys(merged))
    yield list(_round_trips(merged))


def _vantages(merged: MergedReport) -> Iterator[str]:
    yield color("1", "vantages")
    names = max(len(vantage.name) for vantage in merged.vantages)
    for number, vantage in enumerate(merged.vantages, 1):
        ended = " · interrupted" if vantage.name in merged.incomplete else ""
        service = f"as {vantage.service}" if vantage.service else "the whole deployment"
        yield f"  {number:2}  {vantage.name:{names}}  {service} · {vantage.stage} · {vantage.started_at}{ended}"
    if merged.unseen:
        yield with_mark(Status.WARN, f"no report of {', '.join(merged.unseen)}: what only they need is not judged")


def _keys(merged: MergedReport) -> Iterator[str]:
    width = max((len(key.key) for key in merged.keys), default=0)
    head = "".join(f"{number:>4}" for number in range(1, len(merged.vantages) + 1))
    for section, keys in grouped(merged.keys, lambda key: key.key.partition(".")[0]).items():
        yield f"{color('1', f'[{section}]'.ljust(width + 4))}{head}"
        yield from (_key(key, width) for key in keys)


def _round_trips(merged: MergedReport) -> Iterator[str]:
    if rows := merged.round_trips:
        width = max(map(len, rows)) + 2
        head = "".join(f"{number:>10}" for number in range(1, len(merged.vantages) + 1))
        yield f"{color('1', 'round trips, in ms'.ljust(width))}{head}"
        yield from (f"  {name:{width - 2}}{''.join(map(_milliseconds, row))}" for name, row in rows.items())


def _milliseconds(value: object) -> str:
    return f"{value:>10.2f}" if isinstance(value, int | float) else " " * 10


def _key(merged: MergedKey, width: int) -> str:
    cells = "".join(map(_cell, merged.cells))
    return with_mark(merged.status, f"{merged.key:{width}}{cells}")


def _cell(cell: Cell | None) -> str:
    if cell is None:
        return "    "  # the configuration of this vantage does not have the key
    mark = STYLES[cell.verdict.status].mark
    return f"   {mark}" if cell.counts else f" ({mark})"


def _problems(merged: MergedReport, status: Status) -> list[str]:
    lines = (line for each in merged.problems if each.finding.status is status for line in _problem(each))
    return titled(_TITLES[status], lines)


def _problem(problem: MergedProblem) -> Iterator[str]:
    finding = problem.finding
    details = (f"seen from {', '.join(problem.vantages)}", *finding.fields)
    return problem_lines(finding, (problem.check, finding.layer), details)


def _verdict(merged: MergedReport) -> str:
    decided = color("1;32" if merged.ready else "1;31", verdict(ready=merged.ready))
    counts = counts_text(Counter(str(key.status) for key in merged.keys))
    ended = (f"interrupted: {', '.join(merged.incomplete)}",) if merged.incomplete else ()
    return " · ".join((decided, f"vantages: {len(merged.vantages)}", f"keys: {counts}", *ended))
