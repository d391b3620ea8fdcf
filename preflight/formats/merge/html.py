"""The merged report as one HTML page, with the style of the page of a report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from preflight.formats.html.check_view import CheckView, LayerView
from preflight.formats.html.document import render_document
from preflight.formats.html.incident_view import IncidentView, ProblemView
from preflight.formats.html.sections import by_section, numbered
from preflight.formats.shared.incidents import related
from preflight.formats.shared.phrases import verdict
from preflight.report.incidents.model import Incident
from preflight.version import __version__

if TYPE_CHECKING:
    from preflight.saved.merge import MergedKey, MergedReport
    from preflight.saved.reader import SavedReport

Counts = Mapping[str, int]


def render(merged: MergedReport) -> str:
    """One HTML document."""
    return render_document("merged.html.j2", MergedPage(merged), "page.css", "merged.css")


@dataclass(frozen=True)
class Vantage:
    """One report. ``counts``: the number of its keys of each status, of those that count."""

    number: int
    report: SavedReport
    complete: bool
    counts: Counts

    @cached_property
    def origins(self) -> Mapping[str, str]:
        """Where each key was written."""
        return {verdict.key: verdict.origin_text for verdict in self.report.keys}


@dataclass(frozen=True)
class MergedPageProblem(ProblemView):
    """A warning or a failure, and the vantages that reported it."""

    vantages: tuple[Vantage, ...]

    @property
    def layers(self) -> tuple[LayerView, ...]:
        """The layers of the check at the first vantage; none for a finding of the configuration."""
        results = (each for each in self.vantages[0].report.results if each.name == self.name and each.kind != "config")
        return next((CheckView(0, result).layers for result in results), ())

    @property
    def origins(self) -> Mapping[str, str]:
        """The origins of each key at fault, at the vantages that have it."""
        return {
            key: ", ".join(dict.fromkeys(each.origins[key] for each in self.vantages if key in each.origins))
            for key in self.finding.fields
        }


@dataclass(frozen=True)
class MergedPage(IncidentView):
    """Everything that merged.html.j2 shows."""

    report: MergedReport
    version: str = __version__

    @property
    def verdict(self) -> str:
        """The same text as in the report for a terminal."""
        return verdict(ready=self.report.ready)

    @property
    def no_problems_text(self) -> str:
        """Why the page shows no problem."""
        if self.report.incomplete:
            return "Nothing yet: a run was interrupted. The checks that it did not reach may still fail."
        return "Nothing that counts."

    @cached_property
    def vantages(self) -> tuple[Vantage, ...]:
        return tuple(
            Vantage(number, report, report.name not in self.report.incomplete, self._counts(number - 1))
            for number, report in enumerate(self.report.vantages, 1)
        )

    def _counts(self, column: int) -> Counts:
        cells = (key.cells[column] for key in self.report.keys)
        return Counter(cell.verdict.status.name.lower() for cell in cells if cell and cell.counts)

    @property
    def counts(self) -> Counts:
        return Counter(key.status.name.lower() for key in self.report.keys)

    @cached_property
    def problems(self) -> tuple[MergedPageProblem, ...]:
        """The worst first."""
        by_name = {vantage.report.name: vantage for vantage in self.vantages}
        problems = sorted(self.report.problems, key=lambda each: -each.finding.status)
        return tuple(
            MergedPageProblem(number, each.check, each.finding, tuple(by_name[name] for name in each.vantages))
            for number, each in enumerate(problems, 1)
        )

    @cached_property
    def incidents(self) -> tuple[Incident, ...]:
        """The incidents, if a finding follows from another."""
        return related(self.report.incidents)

    @property
    def sections(self) -> Mapping[str, list[tuple[int, MergedKey]]]:
        """The keys with their numbers, by the first part of their names."""
        return by_section(self.report.keys)

    @cached_property
    def key_numbers(self) -> Mapping[str, int]:
        """The number of each key, for links."""
        return numbered(self.report.keys)

    @cached_property
    def problem_numbers(self) -> Mapping[tuple[str, str, int], int]:
        """The number of the first problem that has this id and blames this key at this vantage."""
        return {
            (problem.finding.id, key, vantage.number): problem.number
            for problem in reversed(self.problems)
            for key in problem.finding.fields
            for vantage in problem.vantages
        }
