"""One command, from its arguments to its exit code: the boundary that catches what goes wrong in it."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

from preflight.cli import process
from preflight.cli.commands import COMMANDS
from preflight.cli.delivery import deliver, require_writable
from preflight.cli.inputs import env_files
from preflight.cli.invocation import Invocation
from preflight.cli.options import Options
from preflight.cli.parser import format_destinations, parse
from preflight.cli.so_far import SoFar, report
from preflight.output.writer import write_stderr
from preflight.report import bugs
from preflight.report.run_causes import EXIT_CODES
from preflight.run.signals import Interrupted, Signals

if TYPE_CHECKING:
    from preflight.cli.commands import Document

_RUNNING = {"run", "demo", "serve", "watch"}


def execute(arguments: list[str], signals: Signals) -> int:
    """Run the command, print what it returns, and return the exit code.

    An error ends the command with a report of what it found so far. That report may have the bug: then the bug alone is
    reported. What prints it may have the bug too: then it is a line on standard error.
    """
    try:
        return _execute(arguments, signals)
    except BaseException as error:
        diagnosis = bugs.diagnose(error)
        write_stderr(f"mistle-preflight: {diagnosis.message}")
        return EXIT_CODES.get(diagnosis.cause.id, 1)


def _execute(arguments: list[str], signals: Signals) -> int:
    options = Options(format=format_destinations(arguments) or Options.format)  # if the rest of the arguments is wrong
    environ = process.given_environ()
    invocation, so_far = Invocation(options, signals, environ, terminal=sys.stderr, in_child=True), SoFar()
    try:
        invocation = env_files.applied(replace(invocation, options=parse(arguments)))
        return _go_on(invocation, _print(invocation, so_far, _document(invocation, so_far)))
    except BaseException as error:
        return _report_error(invocation, so_far, error)


def _document(invocation: Invocation, so_far: SoFar) -> Document:
    """A signal ends every command at once, except those that run checks: these clean up first."""
    options = invocation.options
    require_writable(options.format)
    with nullcontext() if options.command in _RUNNING else invocation.signals.interrupting():
        return COMMANDS[options.command](invocation, so_far)


def _report_error(invocation: Invocation, so_far: SoFar, error: BaseException) -> int:
    try:
        so_far.note_error(error, f"the command {invocation.options.command}")
        return _print(invocation, so_far, report(invocation, so_far))
    except BaseException as bug:
        alone = SoFar()
        alone.note(bugs.diagnose(bug))
        return _print(invocation, alone, report(invocation, alone))


def _print(invocation: Invocation, so_far: SoFar, document: Document) -> int:
    """Return the document's own exit code, also if a signal came after the document was made."""
    try:
        with invocation.signals.while_writing():
            code = deliver(invocation, so_far, document)
            for line in so_far.closing_text.splitlines():
                write_stderr(line)
            return code
    except Interrupted:  # the reader of the output was too slow
        return 128 + (invocation.signals.received or 0)


def _go_on(invocation: Invocation, code: int) -> int:
    """After a run that is ready, replace this process by the program of the command line, if there is one."""
    if code or not invocation.options.program:
        return code
    return process.replace_by(invocation.options.program, invocation.signals.received)
