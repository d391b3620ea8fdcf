"""The merged report for a page or a comment, in GitHub's Markdown: the verdict first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from checks.core.finding import Status
from preflight.formats.shared.gfm import MARKS, code, folded, incident_section, problem, problem_title, section, table
from preflight.formats.shared.incidents import related
from preflight.formats.shared.phrases import verdict

if TYPE_CHECKING:
    from preflight.saved.merge import Cell, MergedProblem, MergedReport


_TITLES = {Status.FAIL: "Failures", Status.WARN: "Warnings"}


def render(merged: MergedReport) -> str:
    """One document; with detail -1 only failures and the verdict."""
    ready, level = merged.ready, merged.shown_level
    parts = (
        f"## {MARKS[Status.OK if ready else Status.FAIL]} {verdict(ready=ready)}",
        f"Interrupted: {', '.join(map(code, merged.incomplete))}." if merged.incomplete else "",
        *(_about(merged) if merged.detail >= 0 else ()),
        incident_section(related(merged.incidents, level)),
        *(section(title, _problems(merged, status)) for status, title in _TITLES.items() if status >= level),
        _keys(merged) if merged.detail >= 0 else "",
    )
    return "\n\n".join(filter(None, parts)) + "\n"


def _about(merged: MergedReport) -> Iterator[str]:
    yield table(("", "vantage", "service", "stage", "started"), _vantages(merged))
    yield _unseen(merged)


def _vantages(merged: MergedReport) -> Iterator[tuple[str, ...]]:
    for number, vantage in enumerate(merged.vantages, 1):
        ended = " (interrupted)" if vantage.name in merged.incomplete else ""
        about = (vantage.name, vantage.service or "the whole deployment", vantage.stage, vantage.started_at)
        yield (f"{number}{ended}", *map(code, about))


def _unseen(merged: MergedReport) -> str:
    names = ", ".join(map(code, merged.unseen))
    return f"No report of {names}: what only they need is not judged." if names else ""


def _problems(merged: MergedReport, status: Status) -> Iterator[str]:
    return (_problem(each) for each in merged.problems if each.finding.status is status)


def _problem(merged: MergedProblem) -> str:
    finding = merged.finding
    vantages = f"seen from {', '.join(map(code, merged.vantages))}"
    return problem(finding, problem_title(finding, merged.check), (vantages, *map(code, finding.fields)))


def _keys(merged: MergedReport) -> str:
    columns = ("", "key", *(str(number) for number, _ in enumerate(merged.vantages, 1)))
    rows = ((MARKS[key.status], code(key.key), *map(_cell, key.cells)) for key in merged.keys)
    return folded("Keys", table(columns, rows))


def _cell(cell: Cell | None) -> str:
    if cell is None:
        return ""
    mark = MARKS[cell.verdict.status]
    return mark if cell.counts else f"({mark})"
