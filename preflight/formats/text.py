"""For a terminal: aligned and coloured. Failures come last, where they stay on the screen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from checks.core.finding import Finding, Status
from checks.core.loop.waits import ROUND_TRIP
from preflight.formats.shared.ansi import color, incident_lines, problem_lines, with_mark
from preflight.formats.shared.incidents import related
from preflight.formats.shared.phrases import duration, keys_at_fault, outcome_texts, reason, stage
from preflight.grouping import grouped
from preflight.report.model import KeyVerdict, Report
from preflight.report.result import Result


def render(report: Report) -> str:
    """The report; with detail -1 only failures and the verdict, with detail 1 every layer of every check."""
    parts = [_problems(report, report.fail_level), _omitted(report)] if report.detail < 0 else list(_full(report))
    parts.append(incident_lines(related(report.incidents, report.shown_level)))
    return "\n\n".join("\n".join(part) for part in (*parts, [_verdict(report)]) if part) + "\n"


def _omitted(report: Report) -> list[str]:
    """The ids of warnings that are left out: one of them may explain a failure."""
    ids = [finding.id for finding in report.findings if finding.status is Status.WARN]
    if not ids or report.fail_level <= Status.WARN:
        return []
    return [color("33", f"warnings: {', '.join(dict.fromkeys(ids))} (without -q: in full)")]


def _full(report: Report) -> Iterator[list[str]]:
    yield [_header(report)]
    yield _checks(report)
    yield _keys(report.keys)
    yield _problems(report, Status.WARN)


def _header(report: Report) -> str:
    about = [f"mistle-preflight {report.version}", stage(report), report.service, report.config]
    return color("1", " · ".join(filter(None, about)))


def _checks(report: Report) -> list[str]:
    names = _width(result.name for result in report.results)
    targets = _width(result.target for result in report.results)
    lines = []
    for kind, results in grouped(report.results, lambda result: result.kind).items():
        lines += ["", color("1", kind)]
        for result in results:
            line = f"{result.name:{names}}  {result.target:{targets}}  {_time(result.seconds)}  {reason(result)}"
            lines.append(with_mark(result.status, line))
            lines += _layers(result) if report.detail > 0 else []
    return lines[1:]


def _layers(result: Result) -> Iterator[str]:
    about = [f"for {', '.join(result.keys)}"] if result.keys else []
    if isinstance(milliseconds := result.facts.get(ROUND_TRIP), int | float):
        about.append(f"round trip {milliseconds:.2f} ms")
    if about:
        yield color("2", f"      {' · '.join(about)}")
    layers = _width(finding.layer for finding in result.findings)
    for finding in result.findings:
        time = _time(finding.seconds) if finding.status is not Status.SKIP else ""
        line = f"{finding.layer:{layers}}  {time:10}  {finding.message}"
        yield "    " + with_mark(finding.status, line)


def _keys(verdicts: tuple[KeyVerdict, ...]) -> list[str]:
    evidence = _width(verdict.evidence for verdict in verdicts)
    lines = []
    for section, members in grouped(verdicts, lambda verdict: verdict.key.partition(".")[0]).items():
        lines += ["", color("1", f"[{section}]")]
        names = _width(verdict.key for verdict in members)
        for verdict in members:
            line = f"{verdict.key:{names}}  {verdict.evidence:{evidence}}  {verdict.origin_text}"
            lines.append(with_mark(verdict.status, line))
    return lines[1:]


def _problems(report: Report, level: Status) -> list[str]:
    lines: list[str] = []
    for status, title in ((Status.WARN, "warnings"), (Status.FAIL, "failures")):
        pairs = [pair for pair in report.pairs if pair[1].status is status]
        if pairs and status >= level:
            lines += ["", color("1", title)]
            lines += [line for pair in pairs for line in _problem(report, *pair)]
    return lines[1:]


def _problem(report: Report, result: Result, finding: Finding) -> Iterator[str]:
    about = [result.name, finding.layer, *(["ignored"] if report.is_ignored(result, finding) else [])]
    keys = (f"{key}  {color('2', origin)}" for key, origin in keys_at_fault(report, finding))
    return problem_lines(finding, about, keys)


def _verdict(report: Report) -> str:
    verdict, *rest = outcome_texts(report)
    return " · ".join((color("1;32" if report.ready else "1;31", verdict), *rest))


def _time(seconds: float) -> str:
    number, unit = duration(seconds).split()
    return f"{number:>7} {unit:2}"


def _width(texts: Iterable[str]) -> int:
    return max(map(len, texts), default=0)
