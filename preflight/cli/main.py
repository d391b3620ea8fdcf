"""The console script, and the command as a function.

Python may get a signal at any moment. Until ``entry`` blocks them, one ends the process without a report. So nothing is
imported before that, not even ``signal`` (15 ms) or ``typing`` (17 ms): that would be most of the time up to that line.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # the constant of typing would have to be imported
if TYPE_CHECKING:
    from preflight.run.signals import Signals

_HELP = {"-h", "--help", "--version"}


def entry() -> None:
    """The console script. It ends at once: no thread that was left behind can delay the end or print anything."""
    mask = _block_signals()
    from preflight.cli import process
    from preflight.run import interpreter
    from preflight.run.signals import Signals

    process.prepare(mask)
    if os.environ.get("_ARGCOMPLETE"):
        from preflight.cli import completion

        completion.send_completions()
    interpreter.prepare()
    with Signals().caught() as signals:
        os._exit(_execute(sys.argv[1:], signals))


def main(arguments: list[str] | None = None) -> int:
    """Run the command with these arguments (default: the process's own), and return the exit code."""
    from preflight.run.signals import Signals

    with Signals().caught() as signals:
        return _execute(sys.argv[1:] if arguments is None else arguments, signals)


def _execute(arguments: list[str], signals: Signals) -> int:
    """Most of the imports are here, where a signal is kept for the report. Help and the version need few of them."""
    if not _HELP.isdisjoint(arguments):
        from preflight.cli.parser import prints_help

        if prints_help(arguments):
            return _flush()
    from preflight.cli.execute import execute

    return execute(arguments, signals)


def _flush() -> int:
    from preflight.output.writer import OutputError, write_stderr, write_stdout

    try:
        write_stdout("")
    except OutputError as error:
        write_stderr(f"mistle-preflight: {error}")
        return 2
    return 0


def _block_signals() -> set[int]:
    """Block SIGINT and SIGTERM. Returns the signals that were blocked before.

    ``_signal`` and ``_imp`` are part of the interpreter, and so take no time to import.

    A SIGINT while Python itself imports its first modules only prints a traceback there, and leaves the import lock
    locked. Only that lock shows that there was one: it is released, and the signal is sent again.
    """
    import _imp
    import _signal  # type: ignore[import-not-found]

    before: set[int] = _signal.pthread_sigmask(_signal.SIG_BLOCK, (_signal.SIGINT, _signal.SIGTERM))
    while _imp.lock_held():
        _imp.release_lock()
        os.kill(os.getpid(), _signal.SIGINT)
    return before


if __name__ == "__main__":
    entry()
