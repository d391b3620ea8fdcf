"""From a document to its readers. A bug in one format is told in the others, and costs no verdict."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from preflight import formats
from preflight.cli.options import UsageError
from preflight.formats import renderer
from preflight.output import ci
from preflight.output.destinations import is_writable
from preflight.output.writer import OutputError, write_stderr
from preflight.output.writer import write_texts as write
from preflight.report.model import Report
from preflight.report.run_causes import BUG, NOT_STARTED

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from preflight.cli.commands import Document
    from preflight.cli.invocation import Invocation
    from preflight.formats import Target


def prepare(targets: Iterable[Target]) -> None:
    """Raises UsageError for a file that could not be written, before anything is checked."""
    for _, file in targets:
        if file and not is_writable(file):
            raise UsageError(f"--format: {file} cannot be written")


def deliver(session: Invocation, document: Document) -> int:
    """Print it, and give the exit code. A report that is lost leaves no run ready."""
    code = 0 if isinstance(document, str) else document.exit_code
    color, seconds = session.options.color, session.left
    try:
        if isinstance(document, Report):
            report, texts = _rendered(session, document)
            code = report.exit_code
            for line in _asides(report, texts):
                write_stderr(line)
            write_all(report, texts, color=color, seconds=seconds)
        else:
            known = formats.of(session.options.command)
            texts = {target: renderer(target[0], known)(document) for target in session.options.format}
            write(texts.items(), color=color, seconds=seconds)
    except OutputError as error:
        write_stderr(f"mistle-preflight: {error}")
        return code or 2
    return code


def write_all(report: Report, texts: Mapping[Target, str], *, color: bool = True, seconds: float = 10.0) -> None:
    """Write the texts of a report, and add to the summary of a CI service's step. Raises OutputError."""
    try:
        write(texts.items(), color=color, seconds=seconds)
    finally:
        for name, _ in texts:
            _summarize(report, name)


def _summarize(report: Report, name: str) -> None:
    """Beside a report, and no report itself: a run whose step has no summary may be ready."""
    try:
        ci.summarize(report, name)
    except OSError as error:
        write_stderr(f"mistle-preflight: the step's summary cannot be written to: {error.strerror or error}")


def _rendered(session: Invocation, report: Report) -> tuple[Report, dict[Target, str]]:
    """The report, with every bug met in a format, and its texts; a format that has one shows that alone, if it can."""
    targets = _targets(session, report)
    texts = _texts(session, report, targets)
    if len(texts) == len(targets):
        return report, texts
    report = session.report()
    texts = _texts(session, report, targets)
    lost = [target for target in targets if target not in texts]
    return report, texts | _texts(session, _only_bugs(report), lost)


def _texts(session: Invocation, report: Report, targets: Iterable[Target]) -> dict[Target, str]:
    texts = {}
    for target in targets:
        try:
            texts[target] = renderer(target[0])(report)
        except BaseException as error:
            session.note_bug(error, f"the {target[0]} report")
    return texts


def _only_bugs(report: Report) -> Report:
    config = report.results[0]
    met = tuple(finding for finding in config.findings if finding.id == BUG.id)
    return replace(report, results=(replace(config, keys=(), findings=met),), keys=())


def _asides(report: Report, texts: Collection[Target]) -> Iterator[str]:
    """What goes to standard error: why nothing was checked, a bug that no report tells, and tracebacks on demand."""
    told = NOT_STARTED if texts else NOT_STARTED | {BUG.id}
    yield from (f"mistle-preflight: {finding.message}" for finding in report.findings if finding.id in told)
    yield from report.tracebacks if report.detail > 0 else ()


def _targets(session: Invocation, report: Report) -> tuple[Target, ...]:
    """Where nothing was checked, a line on standard error says it to people, and a report only to machines."""
    wanted = session.options.format
    if report.exit_code != 2:
        return wanted
    return tuple((name, file) for name, file in wanted if name != "text" and (file is None or is_writable(file)))
