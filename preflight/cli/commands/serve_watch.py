"""The commands serve and watch, which run the checks repeatedly. Each run is a process of this same command."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from preflight.cli import process
from preflight.cli.invocation import Invocation
from preflight.cli.options import Options, UsageError
from preflight.cli.so_far import SoFar
from preflight.config.loader import is_standard_input
from preflight.output.writer import OutputError, write_stdout
from preflight.run import isolation

if TYPE_CHECKING:
    from preflight.serve.listening import ServerSocket
    from preflight.serve.schedule import Schedule

_SLACK = 10.0  # seconds that a run may take beyond its own limits, to start and to end on a busy machine
_LONGEST = 2  # intervals that a run may take: with more, a last run that was ready would be too old
_INTERRUPTED = 128


def serve(invocation: Invocation, _: SoFar) -> int:
    """Serve the page and the metrics of the last run."""
    from preflight.serve.serving import missing

    if names := missing():
        raise UsageError(f"serve needs more packages ({', '.join(names)}): pip install 'mistle-preflight[serve]'")
    from preflight.serve.serving import serve
    from preflight.serve.state import FORMATS

    schedule = _schedule(invocation, FORMATS)
    server_socket = _server_socket(invocation)
    with isolation.isolated(), _run_at_signal(schedule):
        _print(f"{server_socket.url}  {_about(invocation.options)}")
        serve(schedule, server_socket, invocation.signals, _log)
    return 0


def watch(invocation: Invocation, _: SoFar) -> int:
    """Print what changes."""
    from preflight.serve.serving import watch

    options, signals = invocation.options, invocation.signals
    schedule = _schedule(invocation, ("json",))
    with _run_at_signal(schedule):
        code = watch(schedule, signals, _print, exit_on_change=options.exit_on_change)
    return _INTERRUPTED + (signals.received or 0) if code is None else code


def _server_socket(invocation: Invocation) -> ServerSocket:
    """The socket and the token of the server that the options describe. Raises UsageError."""
    from preflight.serve import client_token, listening

    options, environ = invocation.options, process.given_environ()
    try:
        where = listening.parse_address(options.listen)
        token = client_token.read(options.token_file, environ, invocation.seconds_for_file)
        if not where.is_loopback and not token:
            sources = f"--token-file FILE or {client_token.VARIABLE}"
            raise UsageError(f"--listen: {where.shown} is not loopback: give {sources}")
        return listening.ServerSocket(where, token, listening.listener(where))
    except (listening.ListenError, client_token.TokenError) as error:
        raise UsageError(str(error)) from error


def _schedule(invocation: Invocation, formats: tuple[str, ...]) -> Schedule:
    """The runs that these options ask for. Raises UsageError."""
    from preflight.cli.commands import arguments
    from preflight.serve.client_token import VARIABLE
    from preflight.serve.outcome import RunScope
    from preflight.serve.runs import ProcessRunner
    from preflight.serve.schedule import Schedule

    options = invocation.options
    _expect_repeatable(invocation)
    environ = {name: value for name, value in process.given_environ().items() if name != VARIABLE}
    flags = arguments.of_a_run(replace(options, read_only=not options.write))
    seconds = options.deadline + options.wait + _SLACK
    runner = ProcessRunner(flags, environ, seconds, formats)
    return Schedule(runner, RunScope(invocation.source, options.stage, options.service), options.every)


def _expect_repeatable(invocation: Invocation) -> None:
    options = invocation.options
    file = options.config or Path(invocation.environ.get("MISTLE_CONFIG_PATH", "") or ".")
    if is_standard_input(options.config) or file.is_fifo():
        raise UsageError(f"--config: {invocation.source} can be read only once: name a file")
    if options.write and options.read_only:
        raise UsageError("--write and --read-only exclude each other")
    if options.format != Options.format and not all(file for _, file in options.format):
        raise UsageError(f"--format: {options.command} prints no report; give it a file, as in --format json=last.json")
    if options.deadline + options.wait > _LONGEST * options.every:
        raise UsageError(f"--every: a run may take longer than {_LONGEST} intervals (--deadline and --wait)")


def _about(options: Options) -> str:
    how = "with writing probes" if options.write else "read-only"
    return f"a run every {options.every:g} s, {how}"


@contextmanager
def _run_at_signal(schedule: Schedule) -> Iterator[None]:
    """In the block, SIGUSR1 starts a run at once."""
    before = signal.signal(signal.SIGUSR1, lambda *_: schedule.run_now())
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR1, before)


def _print(line: str) -> None:
    try:
        write_stdout(f"{line}\n")
    except OutputError as error:
        raise UsageError(str(error)) from error


def _log(line: str) -> None:
    """A server continues if nobody reads its output."""
    with suppress(OutputError):
        write_stdout(f"{line}\n")
