"""The parts of an incident: problems, facts, and the links between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from checks.core.finding import Cause, Finding, Status

if TYPE_CHECKING:
    from checks.core.remedy import Remedies
    from preflight.report.result import Result


@dataclass(frozen=True)
class Problem:
    """A finding that may belong to an incident, and the result that it belongs to. ``number``: its place in the report;
    it alone identifies the problem.
    """

    number: int
    result: Result = field(compare=False)
    finding: Finding = field(compare=False)

    @property
    def id(self) -> str:
        """The id of the finding."""
        return self.finding.id

    @property
    def check(self) -> str:
        """The name of the check."""
        return self.result.name

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that the finding blames."""
        return self.finding.fields

    @property
    def checks(self) -> tuple[str, ...]:
        """The check alone."""
        return (self.check,)

    @property
    def text(self) -> str:
        """What was observed."""
        return self.finding.message

    @property
    def hint(self) -> str:
        """What to change."""
        return self.finding.hint

    @property
    def remedies(self) -> Remedies:
        """Commands to copy."""
        return self.finding.remedies


@dataclass(frozen=True)
class Fact:
    """A cause that is not a finding of its own: all of ``problems`` share it. ``text``: one sentence why."""

    cause: Cause
    problems: tuple[Problem, ...]
    text: str
    is_certain: bool = False

    @property
    def id(self) -> str:
        """The id of the cause."""
        return self.cause.id

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that the problems blame."""
        return tuple(dict.fromkeys(key for problem in self.problems for key in problem.keys))

    @property
    def checks(self) -> tuple[str, ...]:
        """The checks of the problems."""
        return tuple(dict.fromkeys(problem.check for problem in self.problems))

    @property
    def hint(self) -> str:
        """What to change."""
        return self.cause.hint

    @property
    def remedies(self) -> Remedies:
        """Commands to copy: those that all its problems have."""
        first, *others = self.problems
        return tuple(each for each in first.remedies if all(each in other.remedies for other in others))

    def links(self) -> Iterator[Link]:
        """A link from each of the problems to this fact."""
        return (Link(problem, self, self.text, self.is_certain) for problem in self.problems)


@dataclass(frozen=True)
class Link:
    """``effect`` follows from ``cause``. ``why``: one sentence. It is certain if the evidence admits nothing else."""

    effect: Problem
    cause: Problem | Fact
    why: str
    is_certain: bool = False


@dataclass(frozen=True)
class Incident:
    """One cause, and the findings that follow from it. ``root``: a finding, or a fact that all of them share.

    ``vantages``: of merged reports, the names of those that show it.
    """

    root: Problem | Fact
    consequences: tuple[Problem, ...]
    is_certain: bool
    why: str
    vantages: tuple[str, ...] = ()

    @property
    def certainty(self) -> str:
        """``certain`` if the evidence admits nothing else, else ``likely``."""
        return "certain" if self.is_certain else "likely"

    @property
    def status(self) -> Status:
        """The worst of its findings."""
        own = [self.root] if isinstance(self.root, Problem) else []
        return max(problem.finding.status for problem in (*own, *self.consequences))
