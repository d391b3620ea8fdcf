"""Runs the checks in a child process.

If the child crashes, runs out of memory or holds the interpreter's lock past the deadline, the parent kills it and
reports the results received so far. If the parent exits, the child cleans up and exits too.
"""

from __future__ import annotations

import os
import queue
import signal
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from checks.core import machine
from checks.core.check import Check
from checks.core.finding import Diagnosis
from checks.core.recorder import Settings
from preflight.config.origin import Origin
from preflight.report.result import Result
from preflight.report.run_causes import died, interrupted, too_late
from preflight.run import child_main
from preflight.run.check_thread import GRACE
from preflight.run.child_main import Failure, Job, failure
from preflight.run.execution import Execution
from preflight.run.processor_time import ProcessorTime, of_process, of_thread
from preflight.run.runner import NO_WAIT, TICK, Run, late
from preflight.run.signals import Signals
from preflight.run.waiting import Wait, Waiting

if TYPE_CHECKING:
    from preflight.run.runner import OnEvent

    Events = queue.SimpleQueue["Run | tuple[Result, ...] | Waiting | int | Failure | None"]

_LATE = GRACE + 0.05  # seconds after a deadline or a signal: a child that has sent nothing since then hangs
_LATEST = GRACE + 0.15  # seconds after its last result: it may be slow
_GONE = 0.1  # seconds until a killed process has exited; one that waits for a dead disk never does


def run(  # noqa: PLR0913 - as runner.run
    checks: tuple[Check, ...],
    settings: Settings,
    *,
    deadline: float,
    elapsed: float,
    origins: Mapping[str, Origin],
    signals: Signals,
    on_event: OnEvent,
    wait: Wait = NO_WAIT,
) -> Run:
    """As ``runner.run``."""
    if lacking := machine.too_little_memory():
        return Run(tuple(_without_result(check, settings, origins, lacking) for check in checks))
    begun = time.monotonic() - elapsed
    ends = begun + deadline + wait.seconds + _LATE
    before = of_thread(threading.get_native_id())
    child = _Child(Job(checks, settings, deadline, begun, origins, wait, before), signals)
    with signals.passed_to(child.interrupt):
        done = child.wait(ends, on_event)
    processor_time = before + child.processor_time
    death = child.end()
    if done:
        signals.received = signals.received or done.signal
        return done
    reason = death or (interrupted() if signals.received else late(too_late(deadline), deadline, processor_time))
    results = (child.results.get(check.name) or _without_result(check, settings, origins, reason) for check in checks)
    return Run(tuple(results), child.bugs, signals.received, processor_time)


def _without_result(check: Check, settings: Settings, origins: Mapping[str, Origin], reason: Diagnosis) -> Result:
    execution = Execution((check,), settings)
    execution.abort(reason)
    return next(result for _, result in execution.results(origins))


class _Child:
    """The child process. ``results`` are those that it has sent so far, by the names of checks."""

    def __init__(self, job: Job, signals: Signals) -> None:
        self.results: dict[str, Result] = {}
        self.bugs: tuple[str, ...] = ()
        self._events: Events = queue.SimpleQueue()
        self._is_dead = False
        self._failure: Diagnosis | None = None
        self._process, self._pipe = child_main.start(job, signals)
        threading.Thread(target=self._receive, args=(job,), daemon=True).start()

    @property
    def processor_time(self) -> ProcessorTime:
        """How much of the processor it got so far."""
        return of_process(self._process)

    def interrupt(self, number: int) -> None:
        """Send the child a signal."""
        os.kill(self._process, number)
        self._events.put(number)

    def wait(self, ends: float, on_event: OnEvent) -> Run | None:
        """The whole run; None if the child is dead, or has sent nothing by the time ``ends`` (monotonic)."""
        while True:
            try:
                event = self._events.get(timeout=max(0.0, min(TICK, ends - time.monotonic())))
            except queue.Empty:
                if time.monotonic() < ends:
                    continue
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
                case Waiting():
                    on_event(event)
                case results:
                    ends = max(ends, time.monotonic() + _LATEST)
                    self.results |= {result.name: result for result in results}
                    on_event(results)

    def end(self) -> Diagnosis | None:
        """Kill it. Returns why it had died, if it had."""
        with suppress(ProcessLookupError):
            os.kill(self._process, signal.SIGKILL)
        code = self._exit_code()
        self._pipe.close()
        return self._failure or (died(code) if self._is_dead else None)

    def _exit_code(self) -> int | None:
        """None if unknown: the child waits in the kernel, or the system keeps no exit codes (SIGCHLD is ignored)."""
        ends = time.monotonic() + _GONE
        with suppress(ChildProcessError):
            while time.monotonic() < ends:
                process, status = os.waitpid(self._process, os.WNOHANG)
                if process:
                    return os.waitstatus_to_exitcode(status)
                time.sleep(0.001)
        return None

    def _receive(self, job: Job) -> None:
        try:
            child_main.send_job(self._pipe, job)
            while True:
                self._events.put(self._pipe.recv())
        except (EOFError, OSError):
            self._events.put(None)
        except BaseException as error:  # in a thread; the message cannot be read, or there is no memory for it
            self._events.put(failure("reading the results", error))
