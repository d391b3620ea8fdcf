"""Where a page shows its incidents and its problems, for links."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count

from checks.core.finding import Finding
from preflight.formats.html.text import meaning
from preflight.report.incidents.model import Incident


@dataclass(frozen=True)
class ProblemView:
    """A failure or a warning, with its number on the page; ``name`` is that of its check."""

    number: int
    name: str
    finding: Finding

    @property
    def means(self) -> str:
        return meaning(self.finding.id)


class IncidentView:
    """A page with incidents: that of a report, or of merged reports."""

    @property
    def incidents(self) -> Sequence[Incident]:
        """The incidents, if a finding follows from another."""
        raise NotImplementedError

    @property
    def problems(self) -> Sequence[ProblemView]:
        """The failures and warnings that the page shows."""
        raise NotImplementedError

    @cached_property
    def finding_numbers(self) -> Mapping[tuple[str, str], int]:
        """The number of the first problem of this check that has this id."""
        return {(each.name, each.finding.id): each.number for each in reversed(self.problems)}

    @cached_property
    def incident_links(self) -> tuple[str, ...]:
        """For each incident the part of the page that shows it: its own card, or that of its one finding."""
        cards = count(1)
        return tuple(f"#incident-{next(cards)}" if each.consequences else self._link(each) for each in self.incidents)

    def _link(self, incident: Incident) -> str:
        number = self.finding_numbers.get((incident.root.checks[0], incident.root.id))
        return f"#finding-{number}" if number else "#problems"
