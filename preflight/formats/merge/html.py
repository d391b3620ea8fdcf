"""The matrix as one page that needs nothing else, in the dress of the report's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from preflight.formats.html.check_view import CheckView, RungView
from preflight.formats.html.document import document
from preflight.formats.html.sections import by_section
from preflight.formats.html.text import meaning
from preflight.formats.shared.phrases import VERDICTS
from preflight.version import __version__

if TYPE_CHECKING:
    from checks.core.check import Finding
    from preflight.saved.merge import MergedKey, MergedProblem, MergedReport
    from preflight.saved.reader import SavedReport

Counts = Mapping[str, int]


def render(matrix: MergedReport) -> str:
    """One HTML document."""
    return document("matrix.html.j2", Page(matrix), "page.css", "matrix.css")


@dataclass(frozen=True)
class Vantage:
    """One report. ``counts`` tells its verdicts that count, by status."""

    number: int
    report: SavedReport
    complete: bool
    counts: Counts

    @cached_property
    def origins(self) -> Mapping[str, str]:
        """Where each key was written."""
        return {verdict.key: verdict.origin_text for verdict in self.report.keys}


@dataclass(frozen=True)
class PageProblem:
    """What some vantages saw. ``rungs`` is the climb of the first of them."""

    number: int
    trouble: MergedProblem
    vantages: tuple[Vantage, ...]

    @property
    def finding(self) -> Finding:
        """What was found."""
        return self.trouble.finding

    @property
    def name(self) -> str:
        """The check's."""
        return self.trouble.check

    @property
    def means(self) -> str:
        """What its id means."""
        return meaning(self.finding.id)

    @property
    def rungs(self) -> tuple[RungView, ...]:
        """None of a check that climbs nothing."""
        results = (each for each in self.vantages[0].report.results if each.name == self.name and each.kind != "config")
        return next((CheckView(0, result).rungs for result in results), ())

    def origins(self, key: str) -> tuple[str, ...]:
        """Where the key was written, wherever it was blamed."""
        return tuple(dict.fromkeys(each.origins[key] for each in self.vantages if key in each.origins))


@dataclass(frozen=True)
class Page:
    """Everything that the template asks for."""

    matrix: MergedReport
    version: str = __version__

    @property
    def verdict(self) -> str:
        """In the words of the report for the terminal."""
        ready, not_ready = VERDICTS["run"]
        return ready if self.matrix.ready else not_ready

    @property
    def no_problems_text(self) -> str:
        """Why there is no problem."""
        if self.matrix.incomplete:
            return "Nothing yet: nothing is known of what an interrupted run had not tried."
        return "Nothing that counts."

    @cached_property
    def vantages(self) -> tuple[Vantage, ...]:
        """In the order of the columns."""
        return tuple(
            Vantage(number, report, report.name not in self.matrix.incomplete, self._counts(number - 1))
            for number, report in enumerate(self.matrix.vantages, 1)
        )

    def _counts(self, column: int) -> Counts:
        cells = (row.cells[column] for row in self.matrix.rows)
        return Counter(cell.verdict.status.name.lower() for cell in cells if cell and cell.counts)

    @property
    def counts(self) -> Counts:
        """Keys by status."""
        return Counter(row.status.name.lower() for row in self.matrix.rows)

    @cached_property
    def problems(self) -> tuple[PageProblem, ...]:
        """The worst first."""
        by_name = {vantage.report.name: vantage for vantage in self.vantages}
        troubles = sorted(self.matrix.troubles, key=lambda each: -each.finding.status)
        return tuple(
            PageProblem(number, each, tuple(by_name[name] for name in each.vantages))
            for number, each in enumerate(troubles, 1)
        )

    @property
    def sections(self) -> Mapping[str, list[tuple[int, MergedKey]]]:
        """Keys with their numbers, by the first part of their names."""
        return by_section(self.matrix.rows)

    @cached_property
    def key_numbers(self) -> Mapping[str, int]:
        """By name, for links."""
        return {row.key: number for number, row in enumerate(self.matrix.rows, 1)}

    @cached_property
    def problem_numbers(self) -> Mapping[tuple[str, str, int], int]:
        """The first problem of an id that blames a key at a vantage, by all three."""
        return {
            (problem.finding.id, key, vantage.number): problem.number
            for problem in reversed(self.problems)
            for key in problem.finding.fields
            for vantage in problem.vantages
        }
