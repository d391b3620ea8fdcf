"""For code scanning on GitHub, and editors: SARIF 2.1.0, each failure and warning at the line to edit.

What GitHub's code scanning requires beyond the schema: every result has a location, and a fingerprint that stays the
same while lines move. https://docs.github.com/en/code-security/reference/code-scanning/sarif-files/sarif-support-for-code-scanning
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

from checks.core.finding import Finding, Status
from checks.core.text import clean
from preflight.formats.shared.documents import to_json
from preflight.formats.shared.file_lines import FileLine, line_to_edit
from preflight.formats.shared.phrases import explained, outcome_texts
from preflight.reference.catalogue import Entry, entries, sentence

if TYPE_CHECKING:
    from preflight.report.model import Report
    from preflight.report.result import Result

    Member = dict[str, object]

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_MAX_LINE = 4000  # characters: a hint may name the origins of many keys
_COMPLETED = 1  # the highest exit code of a command that came to its end
_LITERAL = str.maketrans({"{": "{{", "}": "}}"})  # SARIF reads {0} as the place of an argument


def render(report: Report) -> str:
    """One document with one run."""
    return render_all([report])


def render_all(reports: Iterable[Report]) -> str:
    """One document with one run, for the reports of one or several files: an invocation for each."""
    listed = list(reports)
    shown = [(index, *pair) for index, report in enumerate(listed) for pair in _shown(report)]
    ids = list(dict.fromkeys(finding.id for _, _, finding in shown))
    driver = {"name": "mistle-preflight", "semanticVersion": listed[0].version, "rules": [_rule(id_) for id_ in ids]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [_invocation(report) for report in listed],
        "results": [
            _result(listed[index], result, finding, ids.index(finding.id), index) for index, result, finding in shown
        ],
    }
    return to_json({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})


def _shown(report: Report) -> Iterator[tuple[Result, Finding]]:
    yield from (pair for pair in report.pairs if pair[1].status >= Status.WARN or report.blocks(*pair))


def _rule(id_: str) -> Member:
    entry = entries().get(id_)
    return {"id": id_, **_described(entry)} if entry else {"id": id_}


def _described(entry: Entry) -> Member:
    cause = entry.cause
    means = sentence(cause.means)
    parts = (means, entry.hint and sentence(f"Remedy: {entry.hint}"), f"See {entry.link}")
    help_ = [_literal(part) for part in parts if part]
    return {
        "shortDescription": {"text": _literal(means)},
        "fullDescription": {"text": _literal(means)},
        "help": {"text": "\n".join(help_), "markdown": "\n\n".join(help_)},
        "defaultConfiguration": {"level": "error" if cause.status is Status.FAIL else "warning"},
        "properties": {"tags": [str(cause.layer), *entry.kinds]},
    }


def _invocation(report: Report) -> Member:
    end = report.started_at + timedelta(seconds=report.seconds)
    return {
        "executionSuccessful": report.exit_code <= _COMPLETED,
        "exitCode": report.exit_code,
        "exitCodeDescription": " · ".join(outcome_texts(report)),
        "startTimeUtc": _time(report.started_at),
        "endTimeUtc": _time(end),
    }


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _result(report: Report, result: Result, finding: Finding, rule: int, invocation: int) -> Member:
    lines = (*explained(report, result, finding), f"found by {result.name}")
    return {
        "ruleId": finding.id,
        "ruleIndex": rule,
        "level": "error" if report.blocks(result, finding) else "warning",
        "message": {"text": "\n".join(filter(None, map(_literal, lines)))},
        "locations": [_location(report, result, finding)],
        "partialFingerprints": {"primaryLocationLineHash": _fingerprint(report, result, finding)},
        "provenance": {"invocationIndex": invocation},
    }


def _location(report: Report, result: Result, finding: Finding) -> Member:
    """The line to edit; where a variable holds the value, the first line of what was read, since one is required."""
    at = line_to_edit(report, finding) or FileLine(report.file or report.config or "environment")
    names = [("key", clean(key)) for key in finding.fields] or [("check", clean(result.name))]
    return {
        "physicalLocation": {"artifactLocation": {"uri": _uri(at.file)}, "region": {"startLine": at.line or 1}},
        "logicalLocations": [{"fullyQualifiedName": name, "kind": kind} for kind, name in names],
    }


def _uri(path: str) -> str:
    """A path relative to the repository stays relative. (Bytes that are not UTF-8 are replaced.)"""
    quoted = quote(clean(path, _MAX_LINE).encode(errors="replace"))
    return f"file://{quoted}" if quoted.startswith("/") else quoted


def _fingerprint(report: Report, result: Result, finding: Finding) -> str:
    """The same for the same problem in another version of the file: of the id, the check and the keys."""
    parts = (report.file or "", finding.id, result.name, *finding.fields)
    return hashlib.sha256("\0".join(parts).encode(errors="replace")).hexdigest()[:32] + ":1"


def _literal(text: str) -> str:
    """A line in which SARIF finds neither arguments nor links."""
    return clean(text, _MAX_LINE).replace("](", "] (").translate(_LITERAL)
