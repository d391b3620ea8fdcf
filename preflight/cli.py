"""The command: arguments in, reports and an exit code out. Everything but the signals is imported when it is needed."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from typing import TYPE_CHECKING

from preflight.signals import Interrupted, Signals

if TYPE_CHECKING:
    from collections.abc import Iterator

    from preflight.commands import Document
    from preflight.options import Target
    from preflight.report import Report
    from preflight.session import Session


def main(arguments: list[str] | None = None) -> int:
    """Do what the arguments (default: the process's own) say, and return the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    with Signals().caught() as signals:
        try:
            code = _deliver(*_document(given, signals))
        except SystemExit as shown:  # --help or --version
            code = int(shown.code or 0)
        except Exception as error:  # a bug in the report itself: say at least that
            code = _deliver(*_last_resort(given, signals, error))
        return 128 + signals.received if signals.received else code


def entry() -> None:
    """The console script. It ends at once: no thread that was left behind can hold it up or print anything."""
    if "_ARGCOMPLETE" in os.environ:
        from preflight import completion

        completion.answer()
    sys.unraisablehook = lambda _: None
    gc.set_threshold(50_000)  # the imports alone would start it a hundred times: a twentieth of a run
    code = main()
    with contextlib.suppress(OSError, AttributeError):
        sys.stdout.flush()
    os._exit(code)


def _document(arguments: list[str], signals: Signals) -> tuple[Session, Document]:
    """What is to be printed, also where a signal ended the command."""
    session = None
    try:
        session = _session(arguments, signals)
        document = _command(session, arguments)
        signals.only_kept()
    except Interrupted:
        signals.only_kept()
        from preflight.endings import INTERRUPTED

        session = session or _session(arguments, signals)
        session.note(INTERRUPTED.found("interrupted before anything was checked"))
        document = session.report()
    return session, document


def _last_resort(arguments: list[str], signals: Signals, error: Exception) -> tuple[Session, Report]:
    from preflight import bugs

    signals.only_kept()
    session = _session(arguments, signals)
    session.note(bugs.diagnose(error))
    return session, session.report()


def _session(arguments: list[str], signals: Signals) -> Session:
    from preflight.options import Options, targets
    from preflight.session import Session

    return Session(Options(format=targets(arguments) or Options.format), signals, terminal=sys.stderr)


def _command(session: Session, arguments: list[str]) -> Document:
    from preflight import bugs
    from preflight.commands import COMMANDS
    from preflight.config import ConfigError
    from preflight.endings import UNREADABLE, USAGE
    from preflight.options import UsageError, parse
    from preflight.output import prepare

    try:
        session.options = parse(arguments)
        prepare(session.options.format)
        return COMMANDS[session.options.command](session)
    except UsageError as error:
        session.note(USAGE.found(str(error)))
    except ConfigError as error:
        session.note(UNREADABLE.found(str(error)))
    except Exception as error:
        session.note(bugs.diagnose(error))
        session.tracebacks.append(bugs.trace(error))
    return session.report()


def _deliver(session: Session, document: Document) -> int:
    """Print it. A report that is lost leaves no run ready."""
    from preflight import formats
    from preflight.formats import FORMATS
    from preflight.output import OutputError, deliver, write_stderr, write_stdout
    from preflight.report import Report

    code = 0 if isinstance(document, str) else document.exit_code
    options = session.options
    try:
        match document:
            case str():
                write_stdout(document, color=options.color)
            case Report():
                for line in _asides(document):
                    write_stderr(line)
                deliver(document, FORMATS, _targets(session, document), color=options.color)
            case _:
                deliver(document, formats.of(options.command), options.format, color=options.color)
    except OutputError as error:
        write_stderr(f"mistle-preflight: {error}")
        return code or 2
    return code


def _asides(report: Report) -> Iterator[str]:
    """What goes to standard error: why nothing was checked and, where it was asked for, the traceback of a bug."""
    from preflight.endings import NOT_STARTED

    yield from (f"mistle-preflight: {finding.message}" for finding in report.findings if finding.id in NOT_STARTED)
    yield from report.tracebacks if report.detail > 0 else ()


def _targets(session: Session, report: Report) -> tuple[Target, ...]:
    """Where nothing was checked, a line on standard error says it to people, and a report only to machines."""
    from preflight.output import is_writable

    wanted = session.options.format
    if report.exit_code != 2:
        return wanted
    return tuple((name, file) for name, file in wanted if name != "text" and is_writable(file))


if __name__ == "__main__":
    entry()
