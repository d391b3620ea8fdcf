"""A run in a process of its own: nothing that a driver does to the interpreter can keep the report from its deadline.

Code in C that does not let go of Python's lock, a crash, a want of memory end that process, and what it had told by
then is reported. It never outlives this one: left alone, it cleans up and ends.
"""

from __future__ import annotations

import os
import queue
import signal
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe
from typing import TYPE_CHECKING, NoReturn

from checks.core import machine
from checks.core.check import Diagnosis
from preflight.report import bugs
from preflight.report.model import Result
from preflight.report.run_causes import BUG
from preflight.run import runner
from preflight.run.execution import Execution
from preflight.run.runner import GRACE, Run, interrupted, too_late

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from checks.core.check import Check, Settings
    from preflight.config.origin import Origin
    from preflight.run.runner import OnEnd
    from preflight.run.signals import Signals

    Work = Callable[[OnEnd], Run]
    Events = queue.SimpleQueue["Run | tuple[Result, ...] | int | Failure | None"]

_LATE = GRACE + 0.05  # seconds after a deadline or a signal: a process that has said nothing since then hangs
_LATEST = GRACE + 0.15  # and since it has said something: it may be slow
_GONE = 0.1  # seconds for a killed process to be gone; one that waits for a dead disk never is


@dataclass(frozen=True)
class Failure:
    """What ended the other process, or the reading of what it sent, and the traceback."""

    diagnosis: Diagnosis
    traceback: str


def run(  # noqa: PLR0913 - as for the run itself
    checks: tuple[Check, ...],
    settings: Settings,
    *,
    deadline: float,
    elapsed: float,
    origins: Mapping[str, Origin],
    signals: Signals,
    on_end: OnEnd,
) -> Run:
    """As ``runner.run``."""
    if lacking := machine.too_little_memory():
        return Run(tuple(_untold(check, settings, origins, lacking) for check in checks))
    ends = time.monotonic() + deadline - elapsed + _LATE
    other = _Child(
        lambda tell: runner.run(
            checks, settings, deadline=deadline, elapsed=elapsed, origins=origins, signals=signals, on_end=tell
        )
    )
    with signals.told_to(other.interrupt):
        done = other.wait(ends, on_end)
    death = other.end()
    if done:
        signals.received = signals.received or done.signal
        return done
    reason = death or (interrupted() if signals.received else too_late(deadline))
    results = (other.told.get(check.name) or _untold(check, settings, origins, reason) for check in checks)
    return Run(tuple(results), other.bugs, signals.received)


def _untold(check: Check, settings: Settings, origins: Mapping[str, Origin], reason: Diagnosis) -> Result:
    execution = Execution((check,), settings)
    execution.abort(reason)
    return next(result for _, result in execution.results(origins))


class _Child:
    """The other process. ``told`` is what it has told so far, by the names of checks."""

    def __init__(self, work: Work) -> None:
        self.told: dict[str, Result] = {}
        self.bugs: tuple[str, ...] = ()
        self._events: Events = queue.SimpleQueue()
        self._is_dead = False
        self._failure: Diagnosis | None = None
        self._line, line = Pipe()
        self._process = _fork()
        if not self._process:
            self._line.close()
            _serve(line, work)
        line.close()
        threading.Thread(target=self._hear, daemon=True).start()

    def interrupt(self, number: int) -> None:
        """Pass a signal on."""
        os.kill(self._process, number)
        self._events.put(number)

    def wait(self, ends: float, on_end: OnEnd) -> Run | None:
        """The whole run; None where it is dead, or still silent at the time ``ends``."""
        while True:
            try:
                event = self._events.get(timeout=max(0.0, ends - time.monotonic()))
            except queue.Empty:
                return None
            match event:
                case Run():
                    return event
                case None:
                    self._is_dead = True
                    return None
                case Failure(diagnosis, traceback):
                    self._failure, self.bugs = diagnosis, (traceback,)
                    return None
                case int():
                    ends = min(ends, time.monotonic() + _LATE)
                case results:
                    ends = max(ends, time.monotonic() + _LATEST)
                    self.told |= {result.name: result for result in results}
                    on_end(results)

    def end(self) -> Diagnosis | None:
        """It is over. Returns what it died of, if it had died."""
        with suppress(ProcessLookupError):
            os.kill(self._process, signal.SIGKILL)
        code = self._exit_code()
        self._line.close()
        return self._failure or (_death(code) if self._is_dead else None)

    def _exit_code(self) -> int | None:
        """None where it is not known: it waits in the kernel, or the system keeps no children (SIGCHLD is ignored)."""
        ends = time.monotonic() + _GONE
        with suppress(ChildProcessError):
            while time.monotonic() < ends:
                process, status = os.waitpid(self._process, os.WNOHANG)
                if process:
                    return os.waitstatus_to_exitcode(status)
                time.sleep(0.001)
        return None

    def _hear(self) -> None:
        try:
            while True:
                self._events.put(self._line.recv())
        except (EOFError, OSError):
            self._events.put(None)
        except BaseException as error:  # what came cannot be read, or there is no memory for it
            self._events.put(_failure("reading the results", error))


def _fork() -> int:
    try:
        return os.fork()
    except BlockingIOError as error:
        raise RuntimeError("can't start new process") from error


def _death(code: int | None) -> Diagnosis:
    if code == -signal.SIGKILL:
        killed = "the process that made the checks was killed, as the system does when memory runs out"
        return machine.NO_MEMORY.diagnosis(killed)
    how = "for an unknown reason" if code is None else f"exit code {code}" if code >= 0 else signal.strsignal(-code)
    return BUG.diagnosis(f"the process that made the checks died: {how}")


def _failure(doing: str, error: BaseException) -> Failure:
    return Failure(bugs.diagnose(error), bugs.trace(doing, error))


def _serve(line: Connection, work: Work) -> NoReturn:
    """In the other process: work, and tell of it."""

    def tell(message: object) -> None:
        with suppress(OSError):  # nobody listens: there is still something to clean up
            line.send(message)

    try:
        for number in (signal.SIGHUP, signal.SIGQUIT):  # what they end is the process that is waited for
            signal.signal(number, signal.SIG_IGN)
        threading.Thread(target=_exit_with_parent, args=(line,), daemon=True).start()
        tell(_done(work, tell))
    finally:
        os._exit(0)


def _done(work: Work, tell: OnEnd) -> Run | Failure:
    try:
        return work(tell)
    except BaseException as error:
        return _failure("the run", error)


def _exit_with_parent(line: Connection) -> None:
    """The line is only ever cut when nobody waits any more."""
    with suppress(EOFError, OSError):
        line.recv()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(2 * GRACE)
    os._exit(1)
