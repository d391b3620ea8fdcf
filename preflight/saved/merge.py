"""Merges reports, each from its own vantage, into one verdict for every key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from checks.core.finding import Finding, Status
from checks.core.loop.waits import ROUND_TRIP
from preflight.report.incidents.model import Incident
from preflight.report.model import KeyVerdict
from preflight.report.run_causes import CUT_SHORT, NOT_STARTED
from preflight.saved.incidents import incidents
from preflight.services import SERVICES

if TYPE_CHECKING:
    from preflight.saved.reader import SavedReport

# The highest decides: one failure is a failure; where nothing is wrong, one proof is enough.
_WEIGHT = {Status.SKIP: 0, Status.OK: 1, Status.WARN: 2, Status.FAIL: 3}


@dataclass(frozen=True)
class Cell:
    """The verdict on a key at one vantage. It ``counts`` if a service that needs the key runs there."""

    verdict: KeyVerdict
    counts: bool


@dataclass(frozen=True)
class MergedKey:
    """One key: the services that need it, and a cell for each vantage; None if its report does not have the key."""

    key: str
    services: tuple[str, ...]
    cells: tuple[Cell | None, ...]

    @property
    def status(self) -> Status:
        """The worst of the cells that count; a key that one vantage proved and another skipped is ok."""
        counting = [cell.verdict.status for cell in self.cells if cell and cell.counts]
        return max(counting, key=_WEIGHT.__getitem__, default=Status.SKIP)


@dataclass(frozen=True)
class MergedProblem:
    """A finding that counts, its check, and the names of the vantages that reported it."""

    vantages: tuple[str, ...]
    check: str
    finding: Finding


@dataclass(frozen=True, kw_only=True)
class MergedReport:
    """``unseen``: services that need a key and have no report. ``incomplete``: vantages whose run ended early.

    Findings of ``level`` and above make the deployment not ready. ``detail`` is as in a report.
    """

    vantages: tuple[SavedReport, ...]
    keys: tuple[MergedKey, ...]
    problems: tuple[MergedProblem, ...]
    unseen: tuple[str, ...]
    incomplete: tuple[str, ...]
    incidents: tuple[Incident, ...] = ()
    level: Status = Status.FAIL
    detail: int = 0

    @property
    def ready(self) -> bool:
        """True if nothing fails where it is needed, and every run was complete."""
        return not self.incomplete and all(each.finding.status < self.level for each in self.problems)

    @property
    def shown_level(self) -> Status:
        """Texts show findings of this status and above: with detail -1 only those that make it not ready."""
        return self.level if self.detail < 0 else Status.WARN

    @property
    def exit_code(self) -> int:
        return int(not self.ready)

    @property
    def round_trips(self) -> Mapping[str, tuple[object, ...]]:
        """For each check whose server is away from a vantage: the milliseconds from each; None if unknown."""
        facts = [{result.name: result.facts.get(ROUND_TRIP) for result in report.results} for report in self.vantages]
        names = dict.fromkeys(name for by_name in facts for name in by_name)
        rows = {name: tuple(by_name.get(name) for by_name in facts) for name in names}
        return {name: row for name, row in rows.items() if any(isinstance(each, int | float) for each in row)}


def merge(vantages: tuple[SavedReport, ...], level: Status = Status.FAIL) -> MergedReport:
    """Every key of any report, in the order of the reports.

    The report of a service counts for the keys that this service needs. The report of the whole deployment counts for
    the keys that services without a report need.
    """
    users = _users(vantages)
    services = [report.service for report in vantages]
    seen = frozenset(services)
    verdicts = [{verdict.key: verdict for verdict in report.keys} for report in vantages]
    keys = tuple(
        _key(key, users.get(key, frozenset()), services, [by_key.get(key) for by_key in verdicts])
        for key in dict.fromkeys(key for by_key in verdicts for key in by_key)
    )
    needed = frozenset(name for names in set(users.values()) for name in names)
    problems = tuple(_problems(vantages, keys))
    counted = frozenset((name, each.check, each.finding.id) for each in problems for name in each.vantages)
    return MergedReport(
        vantages=vantages,
        keys=keys,
        problems=problems,
        incidents=incidents(vantages, counted),
        unseen=() if None in seen else tuple(name for name in SERVICES if name in needed - seen),
        incomplete=tuple(report.name for report in vantages if _is_incomplete(report)),
        level=level,
    )


def _users(vantages: tuple[SavedReport, ...]) -> Mapping[str, frozenset[str]]:
    """The services that need each key. Names that this version does not have are left out."""
    users: dict[str, frozenset[str]] = {}
    for result in (result for report in vantages for result in report.results):
        services = frozenset(SERVICES).intersection(result.services)
        for key in result.keys:
            users[key] = users.get(key, frozenset()) | services
    return users


def _key(key: str, users: frozenset[str], services: list[str | None], verdicts: list[KeyVerdict | None]) -> MergedKey:
    unseen = users.difference(services)
    cells = tuple(
        Cell(verdict, _counts(service, users, unseen)) if verdict else None
        for service, verdict in zip(services, verdicts, strict=True)
    )
    return MergedKey(key, tuple(name for name in SERVICES if name in users), cells)


def _counts(service: str | None, users: frozenset[str], unseen: frozenset[str]) -> bool:
    if not users:  # no check uses the key: it is validated only, which gives the same result at every vantage
        return True
    return bool(unseen) if service is None else service in users


def _problems(vantages: tuple[SavedReport, ...], merged: tuple[MergedKey, ...]) -> Iterator[MergedProblem]:
    """Every warning and failure that counts, once for all vantages that reported it."""
    counting = {
        (report.name, key.key)
        for key in merged
        for report, cell in zip(vantages, key.cells, strict=True)
        if cell and cell.counts
    }
    names_of: dict[tuple[str, Finding], list[str]] = {}
    for report in vantages:
        for check, finding in ((result.name, finding) for result in report.results for finding in result.findings):
            keys = tuple(key for key in finding.fields if (report.name, key) in counting)
            if finding.status >= Status.WARN and (keys or not finding.fields):
                names_of.setdefault((check, replace(finding, fields=keys, seconds=0.0)), []).append(report.name)
    for (check, finding), names in names_of.items():
        yield MergedProblem(tuple(dict.fromkeys(names)), check, finding)


def _is_incomplete(report: SavedReport) -> bool:
    return any(finding.id in CUT_SHORT | NOT_STARTED for result in report.results for finding in result.findings)
