"""The report for a summary, a comment or a page: GitHub's Markdown, the verdict first, the keys folded away.

Whatever is not ours stands in a code span. There no link, mention, image or markup exists: what a server says stays
what it says, whatever it is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from checks.base import Status
from checks.words import clean
from preflight.formats.phrases import STYLES, outcome, reason, tally, took

if TYPE_CHECKING:
    from collections.abc import Iterable

    from checks.base import Finding
    from preflight.report import Report, Result

_LIMIT = 4000  # characters of a text: a message, or a hint with the places of many keys
_MOST_TICKS = 9
_TICKS = re.compile("`+")
_MARKS = {Status.OK: "✅", Status.SKIP: "⏭️", Status.WARN: "⚠️", Status.FAIL: "❌"}
_TITLES = {Status.FAIL: "Failures", Status.WARN: "Warnings"}


def render(report: Report) -> str:
    """One document; with detail -1 only what failed and the verdict, with detail 1 every rung."""
    told = [status for status in _TITLES if report.detail >= 0 or status >= report.fail_level]
    parts = [_verdict(report), *(_problems(report, status) for status in told)]
    if report.detail >= 0:
        parts += [_checks(report), _keys(report)]
    if report.detail > 0:
        parts.append(_rungs(report))
    return "\n\n".join(filter(None, parts)) + "\n"


def _verdict(report: Report) -> str:
    word, *rest = outcome(report)
    about = (report.version, report.stage, report.service or "", report.config or "")
    title = f"## {_MARKS[Status.OK if report.ready else Status.FAIL]} {word}"
    return f"{title}\n\n{' · '.join(rest)}\n\nmistle-preflight {' · '.join(filter(None, map(_code, about)))}"


def _problems(report: Report, status: Status) -> str:
    items = [_problem(report, *pair) for pair in report.pairs if pair[1].status is status]
    return "\n".join((f"### {_TITLES[status]}\n", *items)) if items else ""


def _problem(report: Report, result: Result, finding: Finding) -> str:
    origins = {verdict.key: verdict.origin for verdict in report.keys}
    ignored = ", ignored" if finding.id in report.ignored else ""
    lines = (
        f"{_MARKS[finding.status]} {_code(finding.id)} in {_code(result.name)}, {finding.layer}{ignored}",
        *(f"{_code(key)} {_code(origins.get(key) or 'not set')}" for key in finding.fields),
        _code(finding.message),
        f"→ {_code(finding.hint)}" if finding.hint else "",
    )
    return "- " + "\\\n  ".join(filter(None, lines))


def _checks(report: Report) -> str:
    rows = (
        (_marked(result.status), _code(result.name), _code(result.target), took(result.seconds), _code(reason(result)))
        for result in report.results
    )
    return "### Checks\n\n" + _table(("", "check", "target", "time", "finding"), rows)


def _keys(report: Report) -> str:
    rows = (
        (
            _marked(verdict.status),
            _code(verdict.key),
            verdict.evidence,
            _code(verdict.origin or "not set"),
            " ".join(map(_code, verdict.findings)),
        )
        for verdict in report.keys
    )
    return _folded(f"Keys: {tally(report.counts['keys'])}", _table(("", "key", "evidence", "from", "finding"), rows))


def _rungs(report: Report) -> str:
    rows = (
        (_marked(finding.status), _code(result.name), finding.layer, took(finding.seconds), _code(finding.message))
        for result, finding in report.pairs
    )
    return _folded("Every rung", _table(("", "check", "rung", "time", "seen"), rows))


def _marked(status: Status) -> str:
    return f"{_MARKS[status]} {STYLES[status].counted}"


def _folded(title: str, text: str) -> str:
    return f"<details>\n<summary>{title}</summary>\n\n{text}\n\n</details>"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = (head, ("---",) * len(head), *(tuple(map(_cell, row)) for row in rows))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    """A pipe is escaped even inside code; on what a backslash in front of it means, parsers disagree."""
    return text.replace("\\|", "\\ |").replace("|", "\\|")


def _code(text: str) -> str:
    """A code span with a fence that the text does not hold: shorter than 80, where GitHub's parser takes no more."""
    shown = _TICKS.sub(lambda ticks: ticks[0][:_MOST_TICKS], clean(text, _LIMIT))
    fence = "`" * (1 + max(map(len, _TICKS.findall(shown)), default=0))
    space = " " if shown[:1] == "`" or shown[-1:] == "`" else ""
    return f"{fence}{space}{shown}{space}{fence}" if shown else ""
