"""Texts about incidents that several formats share."""

from __future__ import annotations

from collections.abc import Iterable

from checks.core.finding import Status
from preflight.grouping import grouped
from preflight.report.incidents.model import Incident, Problem


def related(incidents: Iterable[Incident], level: Status = Status.WARN) -> tuple[Incident, ...]:
    """The incidents at this level; none if no finding follows from another: then the findings are enough."""
    shown = tuple(incident for incident in incidents if incident.status >= level)
    return shown if any(incident.consequences for incident in shown) else ()


def certainty(incident: Incident) -> tuple[str, ...]:
    """The check of the cause, how sure it is, and from where it is seen: a text each."""
    where = (incident.root.check,) if isinstance(incident.root, Problem) else ()
    seen = (f"seen from {' and '.join(incident.vantages)}",) if incident.vantages else ()
    return (*where, *((incident.certainty,) if incident.consequences else ()), *seen)


def consequences(incident: Incident) -> str:
    """The findings that follow, in one line: each id with its checks."""
    by_id = grouped(incident.consequences, lambda problem: problem.id)
    return ", ".join(f"{id_} ({', '.join(dict.fromkeys(each.check for each in all_))})" for id_, all_ in by_id.items())
