"""The parts of the page of a report. Checks, problems and keys have numbers, which links use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from functools import cached_property

from checks.core.finding import Status
from preflight.formats.html.check_view import CheckView, LayerView, by_kind
from preflight.formats.html.incident_view import IncidentView, ProblemView
from preflight.formats.html.map import NARROW, WIDE, Map
from preflight.formats.html.map_layout import draw
from preflight.formats.html.sections import by_section, numbered
from preflight.formats.shared.incidents import related
from preflight.formats.shared.phrases import verdict
from preflight.report.incidents.model import Incident
from preflight.report.model import KeyVerdict, Report


@dataclass(frozen=True)
class PageProblem(ProblemView):
    """A failure or a warning of one report."""

    check: CheckView
    ignored: bool
    origins: Mapping[str, str]
    follows: str  # the id of the cause that it follows from; "" if it is a cause itself

    @property
    def layers(self) -> tuple[LayerView, ...]:
        """The layers of the check; none for a finding of the configuration."""
        return () if self.check.result.kind == "config" else self.check.layers


@dataclass(frozen=True)
class Page(IncidentView):
    """Everything that page.html.j2 shows. With detail -1 it shows only the problems."""

    report: Report

    @property
    def version(self) -> str:
        return self.report.version

    @property
    def full(self) -> bool:
        """True if the page shows more than the problems."""
        return self.report.detail >= 0

    @property
    def unfolded(self) -> bool:
        """True if every check shows its layers at first."""
        return self.report.detail > 0

    @property
    def verdict(self) -> str:
        """The same text as in the report for a terminal."""
        return verdict(ready=self.report.ready, command=self.report.command)

    @property
    def started(self) -> str:
        """The time of the start, to the second, in UTC."""
        return self.report.started_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")

    @cached_property
    def checks(self) -> tuple[CheckView, ...]:
        return tuple(CheckView(number, result) for number, result in enumerate(self.report.results, 1))

    @cached_property
    def problems(self) -> tuple[PageProblem, ...]:
        """The worst first; with detail -1 only those that make the run not ready."""
        level = Status.WARN if self.full else self.report.fail_level
        pairs = [(check, each) for check in self.checks for each in check.result.findings if each.status >= level]
        origins = {key.key: key.origin_text for key in self.report.keys}
        following = {named: incident.root.id for named, incident in self.report.incident_of.items()}
        pairs.sort(key=lambda pair: (-pair[1].status, (pair[0].result.name, pair[1].id) in following))
        return tuple(
            PageProblem(
                number,
                check.result.name,
                finding,
                check,
                self.report.is_ignored(check.result, finding),
                origins,
                following.get((check.result.name, finding.id), ""),
            )
            for number, (check, finding) in enumerate(pairs, 1)
        )

    @cached_property
    def incidents(self) -> tuple[Incident, ...]:
        """The incidents, if a finding follows from another."""
        return related(self.report.incidents, Status.WARN if self.full else self.report.fail_level)

    @cached_property
    def consequences(self) -> frozenset[int]:
        """The numbers of the checks all of whose problems follow from others."""
        causes = {problem.check.number for problem in self.problems if not problem.follows}
        return frozenset(problem.check.number for problem in self.problems) - causes

    @cached_property
    def omitted(self) -> tuple[str, ...]:
        """The ids of warnings that are not shown."""
        shown = {problem.finding.id for problem in self.problems}
        ids = (finding.id for finding in self.report.findings if finding.status is Status.WARN)
        return tuple(dict.fromkeys(id_ for id_ in ids if id_ not in shown))

    @property
    def no_problems_text(self) -> str:
        """Why the page shows no problem."""
        if self.report.signal:
            return "Nothing yet: the run was interrupted. The checks that it did not reach may still fail."
        if self.omitted:
            return "Nothing that counts."
        return (
            "Every layer that was tried passed."
            if self.report.command == "run"
            else "Nothing was found without probing."
        )

    @cached_property
    def maps(self) -> tuple[Map, ...]:
        """One map for wide screens and paper, one for narrow screens; none if no check has a service."""
        used = self.full and any(result.services for result in self.report.results)
        return tuple(draw(self.checks, self.report.service, shape) for shape in (WIDE, NARROW)) if used else ()

    @property
    def kinds(self) -> Mapping[str, list[CheckView]]:
        """The checks of each kind."""
        return by_kind(self.checks)

    @property
    def sections(self) -> Mapping[str, list[tuple[int, KeyVerdict]]]:
        """The keys with their numbers, by the first part of their names."""
        return by_section(self.report.keys)

    @cached_property
    def key_numbers(self) -> Mapping[str, int]:
        """The number of each key, for links; empty if the page does not show the keys."""
        return numbered(self.report.keys) if self.full else {}

    @cached_property
    def check_numbers(self) -> Mapping[str, int]:
        """The number of each check, for links."""
        return {check.result.name: check.number for check in self.checks}

    @cached_property
    def problem_numbers(self) -> Mapping[tuple[str, str], int]:
        """The number of the first problem that has this id and blames this key."""
        return {(each.finding.id, key): each.number for each in reversed(self.problems) for key in each.finding.fields}
