"""What changed from one report to a later one."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from checks.core.check import Finding, Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from preflight.report.model import KeyVerdict
    from preflight.saved.reader import SavedReport

Subject = tuple[str, str]  # a check and a key that it blames, or a finding that blames none
Past = dict[Subject, dict[str, None]]  # the ids of a subject's findings, each once, in their order
_SHOWN = 10  # past ids of one problem


@dataclass(frozen=True)
class ChangedProblem:
    """A finding that counts, and the check that made it. ``was``: the ids found there before, where they differ."""

    check: str
    finding: Finding
    was: tuple[str, ...] = ()

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """What is wrong, whatever is wrong with it."""
        return tuple((self.check, each) for each in self.finding.fields or (self.finding.id,))


@dataclass(frozen=True)
class Change:
    """A fact of one check's target that is another now; None: it was, or is, not known."""

    check: str
    fact: str
    before: object
    after: object


@dataclass(frozen=True, kw_only=True)
class Difference:
    """``still`` are problems of ``after`` whose subject had one before; ``unchecked`` those of ``before`` whose check
    was not made again; ``unproven`` the keys that are no longer proven.
    """

    before: SavedReport
    after: SavedReport
    new: tuple[ChangedProblem, ...]
    fixed: tuple[ChangedProblem, ...]
    still: tuple[ChangedProblem, ...]
    unchecked: tuple[ChangedProblem, ...]
    unproven: tuple[str, ...]
    facts: tuple[Change, ...]

    @property
    def worse(self) -> bool:
        """Whether something fails that did not, or a run that was ready no longer is."""
        return bool(self.new) or (self.before.ready and not self.after.ready)

    @property
    def exit_code(self) -> int:
        """1 when the later report is worse."""
        return int(self.worse)


def diff(before: SavedReport, after: SavedReport, level: Status = Status.FAIL) -> Difference:
    """Compare two reports. A finding counts from ``level`` on."""
    old, now = _problems(before, level), _problems(after, level)
    had, has = _by_subject(old), _by_subject(now)
    checked = {result.name for result in after.results if result.status is not Status.SKIP}
    return Difference(
        before=before,
        after=after,
        new=tuple(each for each in now if not had.keys() & set(each.subjects)),
        fixed=tuple(each for each in old if each.check in checked and not has.keys() & set(each.subjects)),
        still=tuple(_with_past(each, had) for each in now if had.keys() & set(each.subjects)),
        unchecked=tuple(each for each in old if each.check not in checked),
        unproven=tuple(_unproven(before, after)),
        facts=tuple(_changes(before, after)),
    )


def _problems(document: SavedReport, level: Status) -> tuple[ChangedProblem, ...]:
    return tuple(
        ChangedProblem(result.name, finding)
        for result in document.results
        for finding in result.findings
        if finding.status >= max(level, Status.WARN)
    )


def _by_subject(problems: tuple[ChangedProblem, ...]) -> Past:
    found: Past = {}
    for problem in problems:
        for subject in problem.subjects:
            found.setdefault(subject, {})[problem.finding.id] = None
    return found


def _with_past(problem: ChangedProblem, had: Past) -> ChangedProblem:
    pasts = [had[subject] for subject in problem.subjects if subject in had]
    if any(problem.finding.id in past for past in pasts):
        return problem
    some = dict.fromkeys(id_ for past in pasts for id_ in islice(past, _SHOWN))
    return ChangedProblem(problem.check, problem.finding, tuple(islice(some, _SHOWN)))


def _unproven(before: SavedReport, after: SavedReport) -> Iterator[str]:
    """Keys that a probe proved, and of which the later run says neither that nor a problem."""
    now = {verdict.key: verdict for verdict in after.keys}
    for verdict in before.keys:
        if _is_proven(verdict) and not ((later := now.get(verdict.key)) and _says_as_much(later)):
            yield verdict.key


def _is_proven(verdict: KeyVerdict) -> bool:
    return (verdict.status, verdict.evidence) == (Status.OK, "probed")


def _says_as_much(verdict: KeyVerdict) -> bool:
    return verdict.status >= Status.WARN or _is_proven(verdict)


def _changes(before: SavedReport, after: SavedReport) -> Iterator[Change]:
    known = {result.name: result.facts for result in before.results}
    for result in after.results:
        old = known.get(result.name, {}) if result.facts else {}
        for fact in dict.fromkeys((*old, *result.facts)) if old else ():
            if old.get(fact) != result.facts.get(fact):
                yield Change(result.name, fact, old.get(fact), result.facts.get(fact))
