"""What the page shows of a report: its parts, each with a number by which the others refer to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from functools import cached_property
from typing import TYPE_CHECKING

from checks.core.check import Finding, Status
from preflight.formats.html.check_view import CheckView, by_kind
from preflight.formats.html.map import NARROW, WIDE, Map
from preflight.formats.html.map_layout import draw
from preflight.formats.html.sections import by_section
from preflight.formats.html.text import meaning
from preflight.formats.shared.phrases import OFFLINE, VERDICTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from preflight.report.model import KeyVerdict, Report


@dataclass(frozen=True)
class PageProblem:
    """A failure or a warning."""

    number: int
    check: CheckView
    finding: Finding
    ignored: bool

    @property
    def name(self) -> str:
        """The check's."""
        return self.check.result.name

    @property
    def means(self) -> str:
        """What its id means."""
        return meaning(self.finding.id)


@dataclass(frozen=True)
class Page:
    """Everything that the template asks for. With detail -1 it is the problems alone."""

    report: Report

    @property
    def version(self) -> str:
        """That of the tool that made the report."""
        return self.report.version

    @property
    def full(self) -> bool:
        """Whether it shows more than the problems."""
        return self.report.detail >= 0

    @property
    def unfolded(self) -> bool:
        """Whether every check shows its rungs from the start."""
        return self.report.detail > 0

    @property
    def verdict(self) -> str:
        """In the words of the report for the terminal."""
        ready, not_ready = VERDICTS.get(self.report.command, OFFLINE)
        return ready if self.report.ready else not_ready

    @property
    def started(self) -> str:
        """To the second, in UTC."""
        return self.report.started_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")

    @cached_property
    def checks(self) -> tuple[CheckView, ...]:
        """In report order."""
        return tuple(CheckView(number, result) for number, result in enumerate(self.report.results, 1))

    @cached_property
    def problems(self) -> tuple[PageProblem, ...]:
        """The worst first; with detail -1 those alone that decide."""
        level = Status.WARN if self.full else self.report.fail_level
        found = [(check, each) for check in self.checks for each in check.result.findings if each.status >= level]
        found.sort(key=lambda pair: -pair[1].status)
        return tuple(
            PageProblem(number, check, finding, finding.id in self.report.ignored)
            for number, (check, finding) in enumerate(found, 1)
        )

    @cached_property
    def unsaid(self) -> tuple[str, ...]:
        """The ids of warnings that are not shown."""
        said = {problem.finding.id for problem in self.problems}
        ids = (finding.id for finding in self.report.findings if finding.status is Status.WARN)
        return tuple(dict.fromkeys(id_ for id_ in ids if id_ not in said))

    @property
    def no_problems_text(self) -> str:
        """Why there is no problem."""
        if self.report.signal:
            return "Nothing yet: the run was interrupted, and nothing is known of what it had not tried."
        if self.unsaid:
            return "Nothing that counts."
        return "Every rung that was tried held." if self.report.command == "run" else "Nothing shows without probing."

    @cached_property
    def maps(self) -> tuple[Map, ...]:
        """One for wide screens and paper, one for narrow ones; none where no service is known to use anything."""
        used = self.full and any(result.services for result in self.report.results)
        return tuple(draw(self.checks, self.report.service, shape) for shape in (WIDE, NARROW)) if used else ()

    @property
    def kinds(self) -> Mapping[str, list[CheckView]]:
        """The checks of each kind."""
        return by_kind(self.checks)

    @property
    def sections(self) -> Mapping[str, list[tuple[int, KeyVerdict]]]:
        """Keys with their numbers, by the first part of their names."""
        return by_section(self.report.keys)

    @cached_property
    def origins(self) -> Mapping[str, str]:
        """Where each key was written."""
        return {verdict.key: verdict.origin_text for verdict in self.report.keys}

    @cached_property
    def key_numbers(self) -> Mapping[str, int]:
        """By name, for links; none where keys are not shown."""
        return {verdict.key: number for number, verdict in enumerate(self.report.keys, 1)} if self.full else {}

    @cached_property
    def check_numbers(self) -> Mapping[str, int]:
        """By name, for links."""
        return {check.result.name: check.number for check in self.checks}

    @cached_property
    def problem_numbers(self) -> Mapping[tuple[str, str], int]:
        """The first problem of an id that blames a key, by both."""
        found = ((problem.finding, problem.number) for problem in reversed(self.problems))
        return {(finding.id, key): number for finding, number in found for key in finding.fields}
