"""For tools that show tests, such as GitLab and Jenkins: a test case for each check and each key.

Viewers differ: some show only the text of a failure, some only its message, most only the first failure. So each test
case has at most one result, whose text is complete. The elements and attributes are those of the schema of Jenkins's
xUnit plugin.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC
from io import BytesIO
from typing import TYPE_CHECKING

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite
from junitparser.junitparser import FinalResult

from checks.core.finding import Finding, Status
from checks.core.text import clean
from preflight.formats.shared.incidents import certainty, consequences, related
from preflight.formats.shared.phrases import duration, explained, outcome_texts
from preflight.report.incidents.model import Incident
from preflight.report.model import KeyVerdict, Report
from preflight.report.result import Result
from preflight.report.run_causes import EXIT_CODES, INTERRUPTED

if TYPE_CHECKING:
    Pair = tuple[Result, Finding]

_MAX_LINE = 4000  # characters: a hint may name the origins of many keys


def render(report: Report) -> str:
    """One XML document."""
    checks = [_check(report, result) for result in report.results]
    ended = [_interrupted()] if report.signal else []
    keys = [_key(report, verdict) for verdict in report.keys]
    document = JUnitXml("mistle-preflight")
    incidents = [_incident(incident) for incident in related(report.incidents, report.fail_level)]
    document.extend([_suite(report, "incidents", incidents)] if incidents else [])
    document.extend([_suite(report, "checks", [*checks, *ended]), _suite(report, "keys", keys)])
    for count in ("tests", "failures", "errors"):
        setattr(document, count, sum(getattr(suite, count) for suite in document))
    document.time = round(report.seconds, 3)
    document.write(written := BytesIO(), pretty=True)
    return written.getvalue().decode()


def _suite(report: Report, name: str, cases: list[TestCase]) -> TestSuite:
    suite = TestSuite(name)
    about = {"version": report.version, "stage": report.stage, "service": report.service, "config": report.config}
    for fact, value in {**about, "outcome": " · ".join(outcome_texts(report))}.items():
        suite.add_property(fact, clean(value or "", _MAX_LINE))
    suite.add_testcases(cases)
    suite.time = round(report.seconds, 3) if name == "checks" else 0.0
    suite.timestamp = report.started_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return suite


def _check(report: Report, result: Result) -> TestCase:
    case = TestCase(clean(result.name), f"checks.{clean(result.kind)}", round(result.seconds, 3))
    _set_result(report, case, result.status, [(result, finding) for finding in result.findings])
    facts = (f"{name}: {value}" for name, value in result.facts.items())
    case.system_out = _lines((result.target, *facts, *map(_layer, result.findings)))
    return case


def _key(report: Report, verdict: KeyVerdict) -> TestCase:
    case = TestCase(clean(verdict.key), f"keys.{clean(verdict.key.partition('.')[0])}", 0.0)
    pairs = [(result, finding) for result, finding in report.pairs if verdict.key in finding.fields]
    _set_result(report, case, verdict.status, pairs)
    layers = (f"{result.name} {_layer(finding)}" for result, finding in pairs)
    case.system_out = _lines((f"{verdict.evidence}: {verdict.origin_text}", *layers))
    return case


def _incident(incident: Incident) -> TestCase:
    case = TestCase(clean(incident.root.id), "incidents", 0.0)
    result = Failure(clean(incident.why), clean(incident.root.id))
    explains = f"explains {consequences(incident)}" if incident.consequences else ""
    result.text = _lines((", ".join(certainty(incident)), incident.why, incident.root.hint, explains))
    case.result = result
    return case


def _layer(finding: Finding) -> str:
    hint = f" → {finding.hint}" if finding.hint else ""
    return f"{finding.layer} {finding.status} {duration(finding.seconds)} {finding.id}: {finding.message}{hint}"


def _interrupted() -> TestCase:
    case = TestCase("run", "checks.run", 0.0)
    case.result = Error(INTERRUPTED.means, INTERRUPTED.id)
    return case


def _set_result(report: Report, case: TestCase, status: Status, pairs: Iterable[Pair]) -> None:
    """An error if the tool could not finish the check, else a failure if the finding makes the run not ready."""
    if blocking := [pair for pair in pairs if report.blocks(*pair)]:
        gave_up = any(finding.id in EXIT_CODES for _, finding in blocking)
        case.result = _result(report, Error if gave_up else Failure, blocking)
    elif status is Status.SKIP:
        reasons = (finding.message for _, finding in pairs if finding.status is status)
        case.result = Skipped(clean(next(reasons, "not reached, or not selected")))


def _result(report: Report, kind: type[FinalResult], blocking: list[Pair]) -> FinalResult:
    first = blocking[0][1]
    result = kind(clean(first.message), clean(first.id))
    result.text = "\n".join(
        _lines((f"{finding.id} ({check.name}, {finding.layer})", *explained(report, check, finding)))
        for check, finding in blocking
    )
    return result


def _lines(lines: Iterable[str]) -> str:
    """``clean`` removes every character that XML does not allow."""
    return "".join(f"{clean(line, _MAX_LINE)}\n" for line in lines if line)
