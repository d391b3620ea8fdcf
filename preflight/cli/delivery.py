"""Renders a document and writes it to its destinations. A bug in one format is reported in the others."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from preflight.cli.options import UsageError, formats_of
from preflight.cli.so_far import SoFar
from preflight.cli.so_far import report as make_report
from preflight.formats import Destination, renderer
from preflight.output import ci
from preflight.output.destinations import is_writable
from preflight.output.writer import OutputError, write_stderr
from preflight.output.writer import write_texts as write
from preflight.report.model import Report, Reports
from preflight.report.run_causes import BUG, NOT_STARTED

if TYPE_CHECKING:
    from preflight.cli.commands import Document
    from preflight.cli.invocation import Invocation


def require_writable(destinations: Iterable[Destination]) -> None:
    """Raises UsageError for a file that cannot be written, before anything is checked."""
    for _, file in destinations:
        if file and not is_writable(file):
            raise UsageError(f"--format: {file} cannot be written")


def deliver(invocation: Invocation, so_far: SoFar, document: Document) -> int:
    """Print the document, and return the exit code. A run whose report cannot be written is not ready."""
    if isinstance(document, int):  # the exit code of a command that has printed all it has
        return document
    code = 0 if isinstance(document, str) else document.exit_code
    color, seconds = invocation.options.color, invocation.seconds_left
    try:
        if isinstance(document, Report):
            report, texts = _rendered(invocation, so_far, document)
            code = report.exit_code
            for line in _stderr_lines(report, texts):
                write_stderr(line)
            write_all(report, texts, color=color, seconds=seconds)
        else:
            available = formats_of(invocation.options)
            texts = {each: renderer(each[0], available)(document) for each in invocation.options.format}
            for report in document.reports if isinstance(document, Reports) else ():
                for line in _stderr_lines(report, texts):
                    write_stderr(line)
            write(texts.items(), color=color, seconds=seconds)
    except OutputError as error:
        write_stderr(f"mistle-preflight: {error}")
        return code or 2
    return code


def write_all(report: Report, texts: Mapping[Destination, str], *, color: bool = True, seconds: float = 10.0) -> None:
    """Write the texts of a report, and add to the summary of a CI service's step. Raises OutputError."""
    try:
        write(texts.items(), color=color, seconds=seconds)
    finally:
        for name, _ in texts:
            _summarize(report, name)


def _summarize(report: Report, name: str) -> None:
    """The summary is no report: a run may be ready without it."""
    try:
        ci.summarize(report, name)
    except OSError as error:
        write_stderr(f"mistle-preflight: the step's summary cannot be written to: {error.strerror or error}")


def _rendered(invocation: Invocation, so_far: SoFar, report: Report) -> tuple[Report, dict[Destination, str]]:
    """The report with the bugs of all formats, and its texts. A format that has a bug renders that alone, if it can."""
    destinations = _destinations(invocation, report)
    texts = _texts(so_far, report, destinations)
    if len(texts) == len(destinations):
        return report, texts
    report = make_report(invocation, so_far)
    texts = _texts(so_far, report, destinations)
    missing = [destination for destination in destinations if destination not in texts]
    return report, texts | _texts(so_far, _only_bugs(report), missing)


def _texts(so_far: SoFar, report: Report, destinations: Iterable[Destination]) -> dict[Destination, str]:
    """Bugs are caught here as well as in ``execute``: the formats without a bug must render the results."""
    texts = {}
    for destination in destinations:
        try:
            texts[destination] = renderer(destination[0])(report)
        except BaseException as error:
            so_far.note_bug(error, f"the {destination[0]} report")
    return texts


def _only_bugs(report: Report) -> Report:
    config = report.results[0]
    bugs = tuple(finding for finding in config.findings if finding.id == BUG.id)
    return replace(report, results=(replace(config, keys=(), findings=bugs),), keys=())


def _stderr_lines(report: Report, texts: Collection[Destination]) -> Iterator[str]:
    """Why nothing was checked; a bug that is in no report; tracebacks, with -v."""
    shown = NOT_STARTED if texts else NOT_STARTED | {BUG.id}
    yield from (f"mistle-preflight: {finding.message}" for finding in report.findings if finding.id in shown)
    yield from report.tracebacks if report.detail > 0 else ()


def _destinations(invocation: Invocation, report: Report) -> tuple[Destination, ...]:
    """If nothing was checked, a line on standard error replaces the text report; machines still get theirs."""
    destinations = invocation.options.format
    if report.exit_code != 2:
        return destinations
    return tuple((name, file) for name, file in destinations if name != "text" and (file is None or is_writable(file)))
