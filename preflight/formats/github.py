"""Workflow commands: what GitHub Actions shows as annotations of the configuration's lines.

GitHub shows ten errors and ten warnings of a step: where there are more, the tenth says how many, and the others are in
the step's log. Its summary is the markdown report, which preflight.output.ci adds.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from checks.core.check import Status
from checks.core.text import clean
from preflight.config.origin import InFile
from preflight.formats.shared.phrases import explained, outcome
from preflight.report.run_causes import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from checks.core.check import Finding
    from preflight.report.model import Report, Result

_SHOWN = 10
_LIMIT = 4000  # characters of a line: a message and a hint with the places of many keys
_IN_DATA = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_IN_PROPERTY = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})
_LINE = re.compile(r"\(line (\d+)\b")  # where a file stopped being TOML


def render(report: Report) -> str:
    """A line for each error and each warning, and one for the verdict."""
    worse = [pair for pair in report.pairs if pair[1].status >= Status.WARN or report.blocks(pair[1])]
    errors = [_annotation("error", report, *pair) for pair in worse if report.blocks(pair[1])]
    warnings = [_annotation("warning", report, *pair) for pair in worse if not report.blocks(pair[1])]
    level = "notice" if report.ready or errors else "error"
    verdict = _command(level, [" · ".join(outcome(report))], title="mistle-preflight")
    return "\n".join((*_counted("error", errors), *_counted("warning", warnings), verdict)) + "\n"


def _counted(level: str, annotations: list[str]) -> Iterator[str]:
    """The annotations; among them, where GitHub stops to show them, one that says so."""
    fits = len(annotations) <= _SHOWN
    yield from annotations[: _SHOWN if fits else _SHOWN - 1]
    if not fits:
        rest = annotations[_SHOWN - 1 :]
        words = f"and {len(rest)} more {level}s, in the log and the summary of this step"
        yield from (_command(level, [words], title="mistle-preflight"), *rest)


def _annotation(level: str, report: Report, result: Result, finding: Finding) -> str:
    title = f"{finding.id} ({result.name})"
    return _command(level, explained(report, finding), **_position(report, finding), title=title)


def _position(report: Report, finding: Finding) -> Mapping[str, str]:
    """File and line of the first key that the file holds or, if it is missing, should hold; empty if there is none."""
    if not report.file:
        return {}
    if finding.id == UNREADABLE.id:
        line = _LINE.search(finding.message)
        return _at(report.file, line and line[1])
    verdicts = {verdict.key: verdict for verdict in report.keys if verdict.key in finding.fields}
    origins = (verdicts[key].origin or verdicts[key].belongs for key in finding.fields if key in verdicts)
    return next((_at(report.file, origin.line) for origin in origins if isinstance(origin, InFile)), {})


def _at(file: str, line: str | int | None) -> Mapping[str, str]:
    return {"file": file, "line": str(line)} if line else {"file": file}


def _command(name: str, lines: Iterable[str], **properties: str) -> str:
    shown = {key: clean(value, _LIMIT).translate(_IN_PROPERTY) for key, value in properties.items()}
    given = ",".join(f"{key}={value}" for key, value in shown.items() if value)
    message = "\n".join(filter(None, (clean(line, _LIMIT) for line in lines))) or "no words"
    return f"::{name} {given}::{message.translate(_IN_DATA)}"
