"""A test report for CI: a test case for each check and one for each key, which fails where the exit code counts it.

Viewers differ in what they show: some only the text of a failure, some only its message, most only the first. So each
test case has at most one result, and its text says everything. The elements and attributes are those of the Jenkins
xUnit plugin's schema.
"""

from __future__ import annotations

from datetime import UTC
from io import BytesIO
from typing import TYPE_CHECKING

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from checks.core.check import Finding, Status
from checks.core.text import clean
from preflight.formats.shared.phrases import duration, explained, outcome
from preflight.report.run_causes import EXIT_CODES, INTERRUPTED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from junitparser.junitparser import FinalResult

    from preflight.report.model import KeyVerdict, Report, Result

    Pair = tuple[Result, Finding]

_LIMIT = 4000  # characters of a line: a message and a hint with the places of many keys


def render(report: Report) -> str:
    """One XML document."""
    checks = [_check(report, result) for result in report.results]
    ended = [_interrupted()] if report.signal else []
    keys = [_key(report, verdict) for verdict in report.keys]
    document = JUnitXml("mistle-preflight")
    document.extend([_suite(report, "checks", [*checks, *ended]), _suite(report, "keys", keys)])
    for count in ("tests", "failures", "errors"):
        setattr(document, count, sum(getattr(suite, count) for suite in document))
    document.time = round(report.seconds, 3)
    document.write(written := BytesIO(), pretty=True)
    return written.getvalue().decode()


def _suite(report: Report, name: str, cases: list[TestCase]) -> TestSuite:
    suite = TestSuite(name)
    about = {"version": report.version, "stage": report.stage, "service": report.service, "config": report.config}
    for fact, value in {**about, "outcome": " · ".join(outcome(report))}.items():
        suite.add_property(fact, clean(value or "", _LIMIT))
    suite.add_testcases(cases)
    suite.time = round(report.seconds, 3) if name == "checks" else 0.0
    suite.timestamp = report.started_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return suite


def _check(report: Report, result: Result) -> TestCase:
    case = TestCase(clean(result.name), f"checks.{clean(result.kind)}", round(result.seconds, 3))
    _end(report, case, result.status, [(result, finding) for finding in result.findings])
    facts = (f"{name}: {value}" for name, value in result.facts.items())
    case.system_out = _lines((result.target, *facts, *map(_rung, result.findings)))
    return case


def _key(report: Report, verdict: KeyVerdict) -> TestCase:
    case = TestCase(clean(verdict.key), f"keys.{clean(verdict.key.partition('.')[0])}", 0.0)
    naming = [(result, finding) for result, finding in report.pairs if verdict.key in finding.fields]
    _end(report, case, verdict.status, naming)
    rungs = (f"{result.name} {_rung(finding)}" for result, finding in naming)
    case.system_out = _lines((f"{verdict.evidence}: {verdict.origin_text}", *rungs))
    return case


def _rung(finding: Finding) -> str:
    hint = f" → {finding.hint}" if finding.hint else ""
    return f"{finding.layer} {finding.status} {duration(finding.seconds)} {finding.id}: {finding.message}{hint}"


def _interrupted() -> TestCase:
    case = TestCase("run", "checks.run", 0.0)
    case.result = Error(INTERRUPTED.means, INTERRUPTED.id)
    return case


def _end(report: Report, case: TestCase, status: Status, pairs: Iterable[Pair]) -> None:
    """Give the case its result: an error where the tool gave up, a failure where the run is not ready for it."""
    if blocking := [pair for pair in pairs if report.blocks(pair[1])]:
        gave_up = any(finding.id in EXIT_CODES for _, finding in blocking)
        case.result = _result(report, Error if gave_up else Failure, blocking)
    elif status is Status.SKIP:
        why = (finding.message for _, finding in pairs if finding.status is status)
        case.result = Skipped(clean(next(why, "not reached, or not selected")))


def _result(report: Report, kind: type[FinalResult], blocking: list[Pair]) -> FinalResult:
    first = blocking[0][1]
    result = kind(clean(first.message), clean(first.id))
    result.text = "\n".join(
        _lines((f"{finding.id} ({check.name}, {finding.layer})", *explained(report, finding)))
        for check, finding in blocking
    )
    return result


def _lines(lines: Iterable[str]) -> str:
    """What ``clean`` takes out holds every character that XML cannot."""
    return "".join(f"{clean(line, _LIMIT)}\n" for line in lines if line)
