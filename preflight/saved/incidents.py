"""The incidents of merged reports: a place from which everything fails, a resource that fails from every place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from checks.core.finding import Layer, Status
from preflight.report.incidents.causes import VANTAGE
from preflight.report.incidents.finder import find
from preflight.report.incidents.model import Fact, Incident
from preflight.report.incidents.observations import Observations, host, passed

if TYPE_CHECKING:
    from preflight.saved.reader import SavedReport

_OF_NETWORK = {Layer.DNS, Layer.CONNECT}


def incidents(vantages: Sequence[SavedReport], counted: frozenset[tuple[str, str, str]]) -> tuple[Incident, ...]:
    """The incidents of all reports, each once, with its vantages. ``counted``: the vantage, check and id of each
    finding that counts.
    """
    found: dict[tuple[object, ...], Incident] = {}
    for report in vantages:
        for incident in _of_one(report, vantages):
            if not _counts(incident, report.name, counted):
                continue
            key = (incident.root.id, incident.root.checks, incident.root.keys)
            seen_from = found[key].vantages if key in found else ()
            found[key] = replace(found.get(key, incident), vantages=tuple(dict.fromkeys((*seen_from, report.name))))
    ordered = sorted(found.values(), key=lambda each: -each.status)
    checked = [report.checked for report in vantages]
    return tuple(_seen_from_all(each, checked) for each in ordered)


def _of_one(report: SavedReport, vantages: Sequence[SavedReport]) -> tuple[Incident, ...]:
    lost = _lost(report, [each for each in vantages if each is not report])
    others = find(result for result in report.results if result.name not in lost)
    problems = tuple(problem for problem in Observations(report.results).problems if problem.check in lost)
    text = f"all {len(lost)} servers fail from {report.name}, and are reached from another place"
    return (*([Incident(Fact(VANTAGE, problems, text), problems, is_certain=False, why=text)] if lost else []), *others)


def _lost(report: SavedReport, others: Sequence[SavedReport]) -> frozenset[str]:
    """The checks of all servers, if none of them can be reached from here, and each of them from another place."""
    tried = {result.name for result in report.results if host(result) and result.status is not Status.SKIP}
    failures = Observations(report.results).failures
    lost = frozenset(name for name in tried if name in failures and failures[name].finding.layer in _OF_NETWORK)
    reached = {result.name for other in others for result in other.results if passed(result, Layer.CONNECT)}
    return lost if len(lost) > 1 and tried == lost <= reached else frozenset()


def _counts(incident: Incident, vantage: str, counted: frozenset[tuple[str, str, str]]) -> bool:
    own = [(name, incident.root.id) for name in incident.root.checks]
    named = [(each.check, each.id) for each in incident.consequences]
    return any((vantage, *pair) in counted for pair in (*own, *named))


def _seen_from_all(incident: Incident, checked: Sequence[frozenset[str]]) -> Incident:
    """``checked``: the names of the checks that ran, for each vantage."""
    users = sum(not names.isdisjoint(incident.root.checks) for names in checked)
    if users < 2 or len(incident.vantages) < users:
        return incident
    text = f"{incident.why}; it is the same from all {users} places, and so not the way to it"
    return replace(incident, why=text)
