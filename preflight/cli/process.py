"""Prepares the process of the command, and replaces it by another program after a run that is ready.

The library leaves the process of its caller alone.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import warnings
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from preflight.run import isolation

_MIN_MEMORY = 64  # MiB of addresses: the command without any check takes 40
_LIMITS = (resource.RLIMIT_CORE, resource.RLIMIT_NOFILE)  # that _limit changes
_FILES = 8192  # descriptors: more than any run needs


@dataclass(frozen=True)
class ProcessState:
    """The state in which the process was started, as far as this command changes it."""

    environ: dict[str, str]
    blocked: Iterable[int]  # signals
    limits: Mapping[int, tuple[int, int]]


_started: ProcessState | None = None


def prepare(blocked: Iterable[int]) -> None:
    """Remove what could change how packages work, before the first of them is imported.

    ``blocked`` are the signals that the process was started to block. Raises SystemExit (2) if the process may use too
    little memory for any report.
    """
    global _started  # noqa: PLW0603 - there is one process
    _require_memory()
    _started = ProcessState(dict(os.environ), blocked, {each: resource.getrlimit(each) for each in _LIMITS})
    isolation.take(os.environ)
    warnings.resetwarnings()  # PYTHONWARNINGS=error would make each an exception
    warnings.simplefilter("ignore")
    _limit()


def _require_memory() -> None:
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit != resource.RLIM_INFINITY and limit < _MIN_MEMORY * 2**20:
        needed = f"the command needs {_MIN_MEMORY} MiB"
        message = f"this process may use {limit // 2**20} MiB of addresses (ulimit -v); {needed}"
        sys.stderr.write(f"mistle-preflight: {message}\n")
        sys.exit(2)


def _limit() -> None:
    """No core dump, which would hold every secret; as many file descriptors as the caller allows."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = hard == resource.RLIM_INFINITY
    with suppress(ValueError, OSError):  # the system's own limit is lower
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, _FILES if unlimited else min(hard, _FILES)), hard))


def given_environ() -> Mapping[str, str]:
    """The variables at the start, also those that packages may not read."""
    return _started.environ if _started else os.environ


def replace_by(program: tuple[str, ...], received: int | None) -> int:
    """Replace this process by the program, in the state in which this process was started.

    Returns an exit code if that fails, or if a signal was ``received``, which then ends this process.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    if received:
        os.kill(os.getpid(), received)
        return 128 + received  # it does not end process 1 of a container
    try:
        _restore()
        os.execvpe(program[0], program, _environ())  # noqa: S606 - the operator named it; there is no shell
    except OSError as error:
        sys.stderr.write(f"mistle-preflight: {program[0]} cannot be started: {error.strerror}\n")
        return 126


def _restore() -> None:
    """Restore the state at the start, except the environment. Python ignores SIGPIPE and SIGXFSZ from its start on."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    if _started:
        for kind, limits in _started.limits.items():
            resource.setrlimit(kind, limits)
        signal.pthread_sigmask(signal.SIG_SETMASK, _started.blocked)


def _environ() -> dict[str, str]:
    """The variables at the start. Where the locale is C, Python sets LC_CTYPE (PEP 538), which only Linux can show."""
    environ = _started.environ if _started else dict(os.environ)
    with suppress(OSError):
        block = os.fsdecode(Path("/proc/self/environ").read_bytes()).split("\0")
        given = {name: value for name, _, value in (variable.partition("=") for variable in block)}
        environ = {name: given.get(name, value) for name, value in environ.items() if name in given}
    return environ
