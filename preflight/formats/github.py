"""For a step of GitHub Actions: annotations on the lines to edit, and the job summary.

GitHub shows ten errors and ten warnings of a step. If there are more, the tenth annotation gives their number, and they
are in the log of the step. Its summary is the markdown report, which preflight.output.ci adds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from checks.core.finding import Finding, Status
from checks.core.text import clean
from preflight.formats.shared.file_lines import line_to_edit
from preflight.formats.shared.incidents import consequences
from preflight.formats.shared.phrases import explained, outcome_texts
from preflight.report.incidents.model import Fact, Incident

if TYPE_CHECKING:
    from preflight.report.model import Report
    from preflight.report.result import Result

_MAX_SHOWN = 10
_MAX_LINE = 4000  # characters: a hint may name the origins of many keys
_IN_DATA = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_IN_PROPERTY = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})


def render(report: Report) -> str:
    """A line for each error, each warning and the verdict; causes before what follows from them."""
    worse = [pair for pair in report.pairs if pair[1].status >= Status.WARN or report.blocks(*pair)]
    worse.sort(key=lambda pair: (pair[0].name, pair[1].id) in report.incident_of)
    facts = [incident for incident in report.incidents if isinstance(incident.root, Fact)]
    errors = [_shared("error", each) for each in facts if each.status >= report.fail_level]
    errors += [_annotation("error", report, *pair) for pair in worse if report.blocks(*pair)]
    warnings = [_shared("warning", each) for each in facts if each.status < report.fail_level]
    warnings += [_annotation("warning", report, *pair) for pair in worse if not report.blocks(*pair)]
    level = "notice" if report.ready or errors else "error"
    verdict = _command(level, [" · ".join(outcome_texts(report))], title="mistle-preflight")
    return "\n".join((*_counted("error", errors), *_counted("warning", warnings), verdict)) + "\n"


def _counted(level: str, annotations: list[str]) -> Iterator[str]:
    """All annotations. The last one that GitHub shows gives the number of those that it does not show."""
    fits = len(annotations) <= _MAX_SHOWN
    yield from annotations[: _MAX_SHOWN if fits else _MAX_SHOWN - 1]
    if not fits:
        rest = annotations[_MAX_SHOWN - 1 :]
        message = f"and {len(rest)} more {level}s, in the log and the summary of this step"
        yield from (_command(level, [message], title="mistle-preflight"), *rest)


def _shared(level: str, incident: Incident) -> str:
    lines = (incident.why, f"→ {incident.root.hint}", f"explains {consequences(incident)}")
    return _command(level, lines, title=f"{incident.root.id} ({incident.certainty})")


def _annotation(level: str, report: Report, result: Result, finding: Finding) -> str:
    title = f"{finding.id} ({result.name})"
    return _command(level, explained(report, result, finding), **_position(report, finding), title=title)


def _position(report: Report, finding: Finding) -> Mapping[str, str]:
    at = line_to_edit(report, finding)
    members = {"file": at.file, "line": str(at.line or "")} if at else {}
    return {name: text for name, text in members.items() if text}


def _command(name: str, lines: Iterable[str], **properties: str) -> str:
    shown = {key: clean(value, _MAX_LINE).translate(_IN_PROPERTY) for key, value in properties.items()}
    joined = ",".join(f"{key}={value}" for key, value in shown.items() if value)
    message = "\n".join(filter(None, (clean(line, _MAX_LINE) for line in lines))) or "no message"
    return f"::{name} {joined}::{message.translate(_IN_DATA)}"
