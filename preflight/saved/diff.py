"""Compares a report with a later one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from checks.core.finding import ADDRESSES, HOST, PORT, Finding, Status
from checks.core.loop.waits import ROUND_TRIP
from preflight.report.incidents.finder import find
from preflight.report.incidents.model import Incident
from preflight.report.model import KeyVerdict
from preflight.report.result import Result

if TYPE_CHECKING:
    from preflight.saved.reader import SavedReport

Subject = tuple[str, str]  # a check, and a key that it blames, or the id of a finding that blames no key
IdsBySubject = dict[Subject, dict[str, None]]  # finding ids, each once, in the order of the report
_UNCOMPARED = {ROUND_TRIP, HOST, PORT, ADDRESSES}  # facts that change by themselves, or stand in the target
_MAX_IDS = 10  # earlier ids of one problem


@dataclass(frozen=True)
class ChangedProblem:
    """A finding that counts, and its check. ``was``: the ids of the earlier findings, if they were others."""

    check: str
    finding: Finding
    was: tuple[str, ...] = ()

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """What the finding is about: two findings with a subject in common are the same problem."""
        return tuple((self.check, each) for each in self.finding.fields or (self.finding.id,))


@dataclass(frozen=True)
class Change:
    """A fact of a check's target that changed. None: that report does not have the fact."""

    check: str
    fact: str
    before: object
    after: object


@dataclass(frozen=True, kw_only=True)
class Difference:
    """``still``: problems of ``after`` whose subject had a problem before. ``unchecked``: problems of ``before`` whose
    check did not run again. ``unproven``: keys that are no longer proven. ``began`` and ``ended``: incidents of several
    findings. ``detail`` is as in a report.
    """

    before: SavedReport
    after: SavedReport
    new: tuple[ChangedProblem, ...]
    fixed: tuple[ChangedProblem, ...]
    still: tuple[ChangedProblem, ...]
    unchecked: tuple[ChangedProblem, ...]
    unproven: tuple[str, ...]
    facts: tuple[Change, ...]
    began: tuple[Incident, ...] = ()
    ended: tuple[Incident, ...] = ()
    detail: int = 0

    @property
    def worse(self) -> bool:
        """True if there is a new problem, or the deployment was ready and no longer is."""
        return bool(self.new) or (self.before.ready and not self.after.ready)

    @property
    def shows_all(self) -> bool:
        """False with detail -1, unless only the verdicts of the reports show why it is worse: a run was interrupted."""
        return self.detail >= 0 or (self.worse and not self.new)

    @property
    def exit_code(self) -> int:
        return int(self.worse)


def diff(before: SavedReport, after: SavedReport, level: Status = Status.FAIL) -> Difference:
    """Compare two reports. A finding counts if its status is ``level`` or worse."""
    old, new = _problems(before, level), _problems(after, level)
    old_ids, new_ids = _ids(old), _ids(new)
    checked = after.checked
    return Difference(
        before=before,
        after=after,
        new=tuple(each for each in new if not old_ids.keys() & set(each.subjects)),
        fixed=tuple(each for each in old if each.check in checked and not new_ids.keys() & set(each.subjects)),
        still=tuple(_with_past(each, old_ids) for each in new if old_ids.keys() & set(each.subjects)),
        unchecked=tuple(each for each in old if each.check not in checked),
        unproven=tuple(_unproven(before, after)),
        facts=tuple(_changes(before, after)),
        began=_only_in(after, before, level),
        ended=_only_in(before, after, level),
    )


def _only_in(report: SavedReport, other: SavedReport, level: Status) -> tuple[Incident, ...]:
    """The incidents of several findings whose cause the other report does not have."""
    known = {(each.root.id, each.root.checks) for each in find(other.results) if each.consequences}
    own = (each for each in find(report.results) if each.consequences and each.status >= level)
    return tuple(each for each in own if (each.root.id, each.root.checks) not in known)


def _problems(report: SavedReport, level: Status) -> tuple[ChangedProblem, ...]:
    return tuple(
        ChangedProblem(result.name, finding)
        for result in report.results
        for finding in result.findings
        if finding.status >= max(level, Status.WARN)
    )


def _ids(problems: tuple[ChangedProblem, ...]) -> IdsBySubject:
    by_subject: IdsBySubject = {}
    for problem in problems:
        for subject in problem.subjects:
            by_subject.setdefault(subject, {})[problem.finding.id] = None
    return by_subject


def _with_past(problem: ChangedProblem, old_ids: IdsBySubject) -> ChangedProblem:
    pasts = [old_ids[subject] for subject in problem.subjects if subject in old_ids]
    if any(problem.finding.id in past for past in pasts):
        return problem
    earlier = dict.fromkeys(id_ for past in pasts for id_ in islice(past, _MAX_IDS))
    return ChangedProblem(problem.check, problem.finding, tuple(islice(earlier, _MAX_IDS)))


def _unproven(before: SavedReport, after: SavedReport) -> Iterator[str]:
    """Keys that a probe proved in the first run, and that the later run neither proved nor found wrong."""
    later = {verdict.key for verdict in after.keys if _is_proven(verdict) or verdict.status >= Status.WARN}
    return (verdict.key for verdict in before.keys if _is_proven(verdict) and verdict.key not in later)


def _is_proven(verdict: KeyVerdict) -> bool:
    return (verdict.status, verdict.evidence) == (Status.OK, "probed")


def _changes(before: SavedReport, after: SavedReport) -> Iterator[Change]:
    earlier = {result.name: _compared(result) for result in before.results}
    for result in after.results:
        old, new = earlier.get(result.name, {}), _compared(result)
        for fact in dict.fromkeys((*old, *new)) if old and new else ():
            if old.get(fact) != new.get(fact):
                yield Change(result.name, fact, old.get(fact), new.get(fact))


def _compared(result: Result) -> dict[str, object]:
    """The facts that a check read from its target; none if it did not get so far."""
    return {name: value for name, value in result.facts.items() if name not in _UNCOMPARED}
