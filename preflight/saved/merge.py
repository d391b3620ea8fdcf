"""Several reports, each from its own vantage, as one verdict for every key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from checks.core.check import Finding, Status
from preflight.report.run_causes import CUT_SHORT, NOT_STARTED
from preflight.services import SERVICES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from preflight.report.model import KeyVerdict
    from preflight.saved.reader import SavedReport

# What several vantages say together: one failure is a failure, and one proof is enough where nothing is wrong.
_WEIGHT = {Status.SKIP: 0, Status.OK: 1, Status.WARN: 2, Status.FAIL: 3}


@dataclass(frozen=True)
class Cell:
    """One key at one vantage. It ``counts`` where a service that needs the key runs."""

    verdict: KeyVerdict
    counts: bool


@dataclass(frozen=True)
class MergedKey:
    """One key: the services that need it, and what each vantage says, None where it says nothing."""

    key: str
    services: tuple[str, ...]
    cells: tuple[Cell | None, ...]

    @property
    def status(self) -> Status:
        """The worst of the cells that count; proven somewhere is better than skipped elsewhere."""
        counting = [cell.verdict.status for cell in self.cells if cell and cell.counts]
        return max(counting, key=_WEIGHT.__getitem__, default=Status.SKIP)


@dataclass(frozen=True)
class MergedProblem:
    """A finding that counts, the check that made it, and the vantages that saw it."""

    vantages: tuple[str, ...]
    check: str
    finding: Finding


@dataclass(frozen=True, kw_only=True)
class MergedReport:
    """``unseen`` are services that need a key and have no vantage; ``incomplete`` vantages ended before their time."""

    vantages: tuple[SavedReport, ...]
    rows: tuple[MergedKey, ...]
    troubles: tuple[MergedProblem, ...]
    unseen: tuple[str, ...]
    incomplete: tuple[str, ...]
    level: Status = Status.FAIL

    @property
    def ready(self) -> bool:
        """Whether nothing fails where it is needed, and every vantage came to its end."""
        return not self.incomplete and all(each.finding.status < self.level for each in self.troubles)

    @property
    def exit_code(self) -> int:
        """1 when the deployment is not ready."""
        return int(not self.ready)


def merge(vantages: tuple[SavedReport, ...], level: Status = Status.FAIL) -> MergedReport:
    """One row for every key of any report, in their order.

    A report counts for the keys that its service needs; one of no service for what the services without a report need.
    """
    users = _users(vantages)
    seen = frozenset(document.service for document in vantages)
    verdicts = [{verdict.key: verdict for verdict in document.keys} for document in vantages]
    services = [document.service for document in vantages]
    rows = tuple(
        _row(key, users.get(key, frozenset()), seen, services, [found.get(key) for found in verdicts])
        for key in dict.fromkeys(key for found in verdicts for key in found)
    )
    needed = frozenset(name for names in set(users.values()) for name in names)
    return MergedReport(
        vantages=vantages,
        rows=rows,
        troubles=tuple(_troubles(vantages, rows)),
        unseen=() if None in seen else tuple(name for name in SERVICES if name in needed - seen),
        incomplete=tuple(document.name for document in vantages if _is_incomplete(document)),
        level=level,
    )


def _users(vantages: tuple[SavedReport, ...]) -> Mapping[str, frozenset[str]]:
    """The services that need each key, of those that there are."""
    users: dict[str, frozenset[str]] = {}
    for result in (result for document in vantages for result in document.results):
        services = frozenset(SERVICES).intersection(result.services)
        for key in result.keys:
            users[key] = users.get(key, frozenset()) | services
    return users


def _row(
    key: str,
    users: frozenset[str],
    seen: frozenset[str | None],
    services: list[str | None],
    verdicts: list[KeyVerdict | None],
) -> MergedKey:
    cells = tuple(
        Cell(verdict, _counts(service, users, seen)) if verdict else None
        for service, verdict in zip(services, verdicts, strict=True)
    )
    return MergedKey(key, tuple(name for name in SERVICES if name in users), cells)


def _counts(service: str | None, users: frozenset[str], seen: frozenset[str | None]) -> bool:
    if not users:  # a key that nothing probes is right or wrong wherever it is read
        return True
    return bool(users - seen) if service is None else service in users


def _troubles(vantages: tuple[SavedReport, ...], rows: tuple[MergedKey, ...]) -> Iterator[MergedProblem]:
    """Every warning and failure that counts, once for all the vantages that saw it."""
    counting = {
        (document.name, row.key)
        for row in rows
        for document, cell in zip(vantages, row.cells, strict=True)
        if cell and cell.counts
    }
    seen: dict[tuple[str, Finding], list[str]] = {}
    for document in vantages:
        for result in document.results:
            for finding in result.findings:
                keys = tuple(key for key in finding.fields if (document.name, key) in counting)
                if finding.status >= Status.WARN and (keys or not finding.fields):
                    seen.setdefault((result.name, _timeless(finding, keys)), []).append(document.name)
    for (check, finding), names in seen.items():
        yield MergedProblem(tuple(dict.fromkeys(names)), check, finding)


def _timeless(finding: Finding, keys: tuple[str, ...]) -> Finding:
    return Finding(finding.id, finding.layer, finding.status, finding.message, finding.hint, keys)


def _is_incomplete(document: SavedReport) -> bool:
    return any(finding.id in CUT_SHORT | NOT_STARTED for result in document.results for finding in result.findings)
