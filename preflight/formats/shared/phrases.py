"""What several formats say in the same words."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

from checks.core.check import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from checks.core.check import Finding
    from preflight.report.model import Report, Result


Item = TypeVar("Item")


class Style(NamedTuple):
    """How a status looks, and what it is called in a count."""

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


def grouped(items: Iterable[Item], group: Callable[[Item], str]) -> Mapping[str, list[Item]]:
    """The items of each group, once, wherever they stand; groups in the order in which they first occur."""
    groups: dict[str, list[Item]] = {}
    for item in items:
        groups.setdefault(group(item), []).append(item)
    return groups


def outcome(report: Report) -> tuple[str, ...]:
    """The verdict, then the numbers behind it."""
    ready, not_ready = VERDICTS.get(report.command, OFFLINE)
    ended = ("interrupted",) if report.signal else ()
    counts = (f"{name}: {counts_text(count)}" for name, count in report.counts.items())
    return (ready if report.ready else not_ready, *ended, *counts, f"{report.seconds:.2f} s")


def counts_text(count: Mapping[str, int]) -> str:
    """``1 failed, 2 ok``, the worst first."""
    counted = [f"{count[str(status)]} {STYLES[status].counted}" for status in reversed(Status) if count[str(status)]]
    return ", ".join(counted) or "none"


def duration(seconds: float) -> str:
    """A time, short enough for a column."""
    return f"{seconds * 1000:.1f} ms" if seconds < 10 else f"{seconds:.1f} s"


def reason(result: Result) -> str:
    """Why the result is not ok, in its id or, where it was skipped, in words."""
    if result.status is Status.OK:
        return ""
    worst = next(finding for finding in result.findings if finding.status is result.status)
    return worst.message if result.status is Status.SKIP else worst.id


def explained(report: Report, finding: Finding) -> Iterator[str]:
    """What was seen, the keys at fault with the place of each, and what to change: a line each."""
    origins = {verdict.key: verdict.origin_text for verdict in report.keys}
    yield finding.message
    yield from (f"{key} ({origins.get(key, 'not set')})" for key in finding.fields)
    if finding.hint:
        yield f"→ {finding.hint}"
