"""For a comment or a page, in GitHub's Markdown: the verdict first, the keys folded.

Foreign text is in code spans, where GitHub makes no link, mention, image or other markup of it.
"""

from __future__ import annotations

from checks.core.finding import Finding, Status
from preflight.formats.shared.gfm import (
    MARKS,
    code,
    folded,
    incident_section,
    problem,
    problem_title,
    section,
    status_text,
    table,
)
from preflight.formats.shared.incidents import related
from preflight.formats.shared.phrases import counts_text, duration, keys_at_fault, outcome_texts, reason, stage
from preflight.report.model import Report
from preflight.report.result import Result

_TITLES = {Status.FAIL: "Failures", Status.WARN: "Warnings"}


def render(report: Report) -> str:
    """One document; with detail -1 only failures and the verdict, with detail 1 every layer of every check."""
    parts = [_verdict(report), incident_section(related(report.incidents, report.shown_level))]
    parts += [_problems(report, status) for status in _TITLES if status >= report.shown_level]
    if report.detail >= 0:
        parts += [_checks(report), _keys(report)]
    if report.detail > 0:
        parts.append(_layers(report))
    return "\n\n".join(filter(None, parts)) + "\n"


def _verdict(report: Report) -> str:
    verdict, *rest = outcome_texts(report)
    about = (report.version, stage(report), report.service or "", report.config or "")
    title = f"## {MARKS[Status.OK if report.ready else Status.FAIL]} {verdict}"
    return f"{title}\n\n{' · '.join(rest)}\n\nmistle-preflight {' · '.join(filter(None, map(code, about)))}"


def _problems(report: Report, status: Status) -> str:
    return section(_TITLES[status], (_problem(report, *pair) for pair in report.pairs if pair[1].status is status))


def _problem(report: Report, result: Result, finding: Finding) -> str:
    ignored = ", ignored" if report.is_ignored(result, finding) else ""
    keys = (f"{code(key)} {code(origin)}" for key, origin in keys_at_fault(report, finding))
    return problem(finding, problem_title(finding, result.name) + ignored, keys)


def _checks(report: Report) -> str:
    rows = (
        (
            status_text(result.status),
            code(result.name),
            code(result.target),
            duration(result.seconds),
            code(reason(result)),
        )
        for result in report.results
    )
    return "### Checks\n\n" + table(("", "check", "target", "time", "finding"), rows)


def _keys(report: Report) -> str:
    rows = (
        (
            status_text(verdict.status),
            code(verdict.key),
            verdict.evidence,
            code(verdict.origin_text),
            " ".join(map(code, verdict.findings)),
        )
        for verdict in report.keys
    )
    return folded(
        f"Keys: {counts_text(report.counts['keys'])}", table(("", "key", "evidence", "from", "finding"), rows)
    )


def _layers(report: Report) -> str:
    rows = (
        (
            status_text(finding.status),
            code(result.name),
            finding.layer,
            duration(finding.seconds),
            code(finding.message),
        )
        for result, finding in report.pairs
    )
    return folded("Every layer", table(("", "check", "layer", "time", "message"), rows))
