"""The command: arguments in, reports and an exit code out.

Nothing is imported before it is needed, and nothing at all before ``entry`` holds the signals back: one that comes
sooner ends the process without a report.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # typing has one too, and would have to be imported
if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from preflight.cli.commands import Document
    from preflight.cli.invocation import Invocation
    from preflight.run.signals import Signals


def entry() -> None:
    """The console script. It ends at once: no thread that was left behind can hold it up or print anything."""
    _hold_signals_back()
    import gc
    import threading

    from preflight.cli import process
    from preflight.run.signals import Signals

    process.prepare()
    if os.environ.get("_ARGCOMPLETE"):
        from preflight.cli import completion

        completion.answer()
    sys.unraisablehook = threading.excepthook = _say_nothing
    gc.set_threshold(50_000)  # the imports alone would start it a hundred times: a twentieth of a run
    with Signals().caught() as signals:
        os._exit(_code(sys.argv[1:], signals))


def _say_nothing(_: object) -> None:
    """Of what is left behind; its words may hold a secret."""


def _hold_signals_back() -> None:
    import _imp
    import _signal  # type: ignore[import-not-found]  # signal itself would first load enum

    _signal.pthread_sigmask(_signal.SIG_BLOCK, (_signal.SIGINT, _signal.SIGTERM))
    while (
        _imp.lock_held()
    ):  # Python lost an interrupt while it started, and kept what no other thread can import without
        _imp.release_lock()
        os.kill(os.getpid(), _signal.SIGINT)


def main(arguments: list[str] | None = None) -> int:
    """Do what the arguments (default: the process's own) say, and return the exit code."""
    from preflight.run.signals import Signals

    with Signals().caught() as signals:
        return _code(sys.argv[1:] if arguments is None else arguments, signals)


def _code(arguments: list[str], signals: Signals) -> int:
    """The report's own exit code, also where a signal came when it was made already."""
    from preflight.run.signals import Interrupted

    try:
        return _delivered(arguments, signals)
    except Interrupted:  # nobody took the report
        return 128 + (signals.received or 0)


def _delivered(arguments: list[str], signals: Signals) -> int:
    from preflight.cli.delivery import deliver
    from preflight.cli.options import HelpPrinted
    from preflight.run.signals import Interrupted

    try:
        document = _document(arguments, signals)
        with signals.hurrying():
            return deliver(*document)
    except HelpPrinted:
        return _flushed(0)
    except Interrupted:
        raise
    except BaseException as error:  # a bug in the report itself: say at least that
        with signals.hurrying():
            return _last_resort(arguments, signals, error)


def _flushed(code: int) -> int:
    from preflight.output.writer import OutputError, write_stderr, write_stdout

    try:
        write_stdout("")
    except OutputError as error:
        write_stderr(f"mistle-preflight: {error}")
        return code or 2
    return code


def _document(arguments: list[str], signals: Signals) -> tuple[Invocation, Document]:
    """What is to be printed, also where a signal ended the command."""
    from preflight.run.signals import Interrupted

    session = _session(arguments, signals)
    try:
        return session, _command(session, arguments)
    except Interrupted:
        from preflight.report.run_causes import INTERRUPTED

        session.note(INTERRUPTED.diagnosis("interrupted before anything was checked"))
        return session, session.report()


def _last_resort(arguments: list[str], signals: Signals, error: BaseException) -> int:
    """A report of the bug alone, without its words: what is secret is not known here."""
    from preflight.cli.delivery import deliver
    from preflight.output.writer import write_stderr
    from preflight.report import bugs
    from preflight.report.run_causes import EXIT_CODES
    from preflight.run.signals import Interrupted

    try:
        session = _session(arguments, signals)
        session.note(bugs.diagnose(error))
        return deliver(session, session.report())
    except Interrupted:
        raise
    except BaseException as second:
        met = bugs.diagnose(second)
        write_stderr(f"mistle-preflight: {met.message}")
        return EXIT_CODES.get(met.cause.id, 1)


def _session(arguments: list[str], signals: Signals) -> Invocation:
    from preflight.cli.invocation import Invocation
    from preflight.cli.options import Options, targets

    return Invocation(Options(format=targets(arguments) or Options.format), signals, terminal=sys.stderr, apart=True)


def _command(session: Invocation, arguments: list[str]) -> Document:
    from preflight.cli.commands import COMMANDS
    from preflight.cli.delivery import prepare
    from preflight.cli.options import HelpPrinted, UsageError, parse
    from preflight.config.loader import ConfigError
    from preflight.report.run_causes import UNREADABLE, USAGE
    from preflight.run.signals import Interrupted

    try:
        session.options = parse(arguments)
        prepare(session.options.format)
        with _waiting(session):
            return COMMANDS[session.options.command](session)
    except UsageError as error:
        session.note(USAGE.diagnosis(str(error)))
    except ConfigError as error:
        session.note(UNREADABLE.diagnosis(str(error)))
    except (HelpPrinted, Interrupted):
        raise
    except BaseException as error:
        session.note_bug(error, f"the command {session.options.command}")
    return session.report()


def _waiting(session: Invocation) -> AbstractContextManager[None]:
    """A signal ends every command at once but ``run``, which first cleans up."""
    from contextlib import nullcontext

    return nullcontext() if session.options.command == "run" else session.signals.interrupting()


if __name__ == "__main__":
    entry()
