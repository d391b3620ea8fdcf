"""The child process that makes the checks: how it is started, and what it does until its end.

Linux forks: the child begins in a hundredth of a second, with all that the parent has read. Other systems may end a
child that continues after a fork without exec, because their libraries do not expect it: there Python starts again,
and receives its job through the pipe.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, Pipe
from typing import TYPE_CHECKING, NoReturn

from checks.core.check import Check
from checks.core.finding import Diagnosis
from checks.core.recorder import Settings
from preflight.config.origin import Origin
from preflight.report import bugs
from preflight.run import interpreter, runner
from preflight.run.processor_time import ProcessorTime, of_thread
from preflight.run.signals import SIGNALS, Signals
from preflight.run.waiting import Wait

if TYPE_CHECKING:
    from preflight.run.runner import OnEvent, Run

    Work = Callable[[OnEvent], Run]

FORKS = sys.platform == "linux"
_ALONE = 3.0  # seconds for the clean-up of a child whose parent has exited: nobody waits for it


@dataclass(frozen=True)
class Job:
    """The checks that the child makes, and their limits. ``begun``: when the command began (time.monotonic, which all
    processes share). ``before``: the processor time that it got since then.
    """

    checks: tuple[Check, ...]
    settings: Settings
    deadline: float
    begun: float
    origins: Mapping[str, Origin]
    wait: Wait
    before: ProcessorTime

    def run(self, signals: Signals, on_event: OnEvent) -> Run:
        """As ``runner.run``."""
        return runner.run(
            self.checks,
            self.settings,
            deadline=self.deadline,
            elapsed=time.monotonic() - self.begun,
            origins=self.origins,
            signals=signals,
            on_event=on_event,
            wait=self.wait,
            before=self.before + of_thread(threading.get_native_id()),
        )


@dataclass(frozen=True)
class Failure:
    """What ended the child, or the reading of its results, and the traceback."""

    diagnosis: Diagnosis
    traceback: str


def failure(doing: str, error: BaseException) -> Failure:
    """The failure that an exception is, in the process that was ``doing`` something."""
    return Failure(bugs.diagnose(error), bugs.trace(doing, error))


def start(job: Job, signals: Signals) -> tuple[int, Connection]:
    """The child's process id, and the parent's end of the pipe, which the child's results come through.

    Raises RuntimeError if the system allows no more processes.
    """
    ours, its = Pipe()
    try:
        process = os.fork() if FORKS else _spawn(its)
    except BlockingIOError as error:
        raise RuntimeError("can't start new process") from error
    if not process:
        ours.close()
        _serve(its, partial(job.run, signals))
    its.close()
    return process, ours


def send_job(pipe: Connection, job: Job) -> None:
    """Send the job to a child that has not inherited it."""
    if not FORKS:
        pipe.send(job)


def _spawn(pipe: Connection) -> int:
    """A new Python, with this one's modules. Signals are blocked in it until it can handle them."""
    code = f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import _spawned; _spawned({pipe.fileno()})"
    os.set_inheritable(pipe.fileno(), True)
    return os.posix_spawn(sys.executable, [sys.executable, "-c", code], os.environ, setsigmask=SIGNALS)


def _spawned(descriptor: int) -> NoReturn:
    interpreter.prepare()
    with Signals().caught() as signals:
        pipe = Connection(descriptor)
        _serve(pipe, partial(_received(pipe).run, signals))


def _received(pipe: Connection) -> Job:
    try:
        job: Job = pipe.recv()
    except BaseException as error:  # nothing may be printed: send a Failure
        with suppress(OSError):
            pipe.send(failure("reading the job", error))
        os._exit(1)
    return job


def _serve(pipe: Connection, work: Work) -> NoReturn:
    """Run the checks, and send their results."""

    def send(message: object) -> None:
        with suppress(OSError):  # the parent has exited: the checks must still clean up
            pipe.send(message)

    is_alone = threading.Event()
    watcher = threading.Thread(target=_exit_with_parent, args=(pipe, is_alone), daemon=True)
    try:
        for number in (signal.SIGHUP, signal.SIGQUIT):  # they end the parent, and this process after it
            signal.signal(number, signal.SIG_IGN)
        watcher.start()
        send(_outcome(work, send))
    finally:
        if is_alone.is_set():
            _join({*threading.enumerate()} - {threading.current_thread(), watcher}, _ALONE)
        os._exit(0)


def _join(threads: Iterable[threading.Thread], seconds: float) -> None:
    """Wait for threads: one may still remove what a check wrote, after the check has ended."""
    ends = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, ends - time.monotonic()))


def _outcome(work: Work, send: OnEvent) -> Run | Failure:
    try:
        return work(send)
    except BaseException as error:  # an exception cannot reach the parent: send a Failure
        return failure("the run", error)


def _exit_with_parent(pipe: Connection, is_alone: threading.Event) -> None:
    """The pipe closes only when the parent has exited: then stop too."""
    with suppress(EOFError, OSError):
        pipe.recv()
    is_alone.set()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(2 * _ALONE)
    os._exit(1)
