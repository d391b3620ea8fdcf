"""Finds the incidents of a report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from checks.core.finding import Status
from preflight.grouping import grouped
from preflight.report.incidents.model import Fact, Incident, Link, Problem
from preflight.report.incidents.observations import Observations
from preflight.report.incidents.rules import RULES
from preflight.report.result import Result

Links = Mapping[Problem, Link]


def find(results: Iterable[Result]) -> tuple[Incident, ...]:
    """The incidents, failures before warnings, else in the order of the report."""
    observed = Observations(tuple(results))
    links = _links(observed)
    members = grouped(observed.problems, lambda problem: _root(problem, links))
    incidents = (_incident(root, problems, links) for root, problems in members.items())
    return tuple(sorted((each for each in incidents if each.status >= Status.WARN), key=lambda each: -each.status))


def _links(observed: Observations) -> Links:
    links: dict[Problem, Link] = {}
    for link in (link for rule in RULES for link in rule(observed)):
        if link.effect not in links and _root(link.cause, links) != link.effect:
            links[link.effect] = link
    return links


def _path(start: Problem | Fact, links: Links) -> Iterator[Link]:
    while isinstance(start, Problem) and (link := links.get(start)):
        yield link
        start = link.cause


def _root(start: Problem | Fact, links: Links) -> Problem | Fact:
    return next((link.cause for link in reversed([*_path(start, links)])), start)


def _incident(root: Problem | Fact, problems: list[Problem], links: Links) -> Incident:
    used = [link for problem in problems for link in _path(problem, links)]
    return Incident(
        root=root,
        consequences=tuple(problem for problem in problems if problem != root),
        is_certain=all(link.is_certain for link in used),
        why="; ".join(dict.fromkeys(link.why for link in used)) or root.text,
    )
