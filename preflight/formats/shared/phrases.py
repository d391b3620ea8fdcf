"""Texts that several formats share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from checks.core.finding import Finding, Status

if TYPE_CHECKING:
    from preflight.report.model import Report
    from preflight.report.result import Result


_NOT_SET, _LISTED = "not set", 6


class Style(NamedTuple):
    """The mark of a status, its SGR colour, and its name in a count."""

    mark: str
    color: str
    counted: str


STYLES = {
    Status.OK: Style("✓", "32", "ok"),
    Status.SKIP: Style("–", "2", "skipped"),  # noqa: RUF001 - a dash, not a minus
    Status.WARN: Style("!", "33", "warned"),
    Status.FAIL: Style("✗", "31", "failed"),
}
VERDICTS = {"run": ("READY", "NOT READY")}
OFFLINE = ("VALID, nothing was probed", "NOT VALID, nothing was probed")


def verdict(*, ready: bool, command: str = "run") -> str:
    """The verdict of a command on a deployment."""
    if_ready, if_not = VERDICTS.get(command, OFFLINE)
    return if_ready if ready else if_not


def outcome_texts(report: Report) -> tuple[str, ...]:
    """The verdict, the counts and the duration, each a text."""
    ended = ("interrupted",) if report.signal else ()
    counts = (f"{name}: {counts_text(count)}" for name, count in report.counts.items())
    return (verdict(ready=report.ready, command=report.command), *ended, *counts, f"{report.seconds:.2f} s")


def counts_text(count: Mapping[str, int]) -> str:
    """``1 failed, 2 ok``: the worst status first."""
    counted = [f"{count[str(status)]} {STYLES[status].counted}" for status in reversed(Status) if count[str(status)]]
    return ", ".join(counted) or "none"


def duration(seconds: float) -> str:
    """A time of at most 9 characters, for a column."""
    return f"{seconds * 1000:.1f} ms" if seconds < 10 else f"{seconds:.1f} s"


def reason(result: Result) -> str:
    """Why the result is not ok: the id of its worst finding, or the message if it was skipped."""
    if result.status is Status.OK:
        return ""
    worst = next(finding for finding in result.findings if finding.status is result.status)
    return worst.message if result.status is Status.SKIP else worst.id


def explained(report: Report, result: Result, finding: Finding) -> Iterator[str]:
    """The message, its incident, the keys at fault with their origins, the hint and the remedies: a line each."""
    yield finding.message
    if incident := report.incident_of.get((result.name, finding.id)):
        yield f"follows from {incident.root.id} ({incident.certainty}): {incident.why}"
    yield from (f"{key} ({origin})" for key, origin in keys_at_fault(report, finding))
    if finding.hint:
        yield f"→ {finding.hint}"
    for remedy in finding.remedies:
        yield from remedy.lines


def keys_at_fault(report: Report, finding: Finding) -> Iterator[tuple[str, str]]:
    """The keys at fault with their origins; of many that are not set the first few, and how many more."""
    origins = {verdict.key: verdict.origin_text for verdict in report.keys}
    keys = [(key, origins.get(key) or _NOT_SET) for key in finding.fields]
    unset = [pair for pair in keys if pair[1] == _NOT_SET]
    more = unset[_LISTED - 1 :] if len(unset) > _LISTED else []
    yield from (pair for pair in keys if pair not in more)
    if more:
        yield f"and {len(more)} more keys", _NOT_SET


def stage(report: Report) -> str:
    """The stage, or the command if that reads the configuration alone."""
    return report.command if report.command == "config" else report.stage
