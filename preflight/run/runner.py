"""Runs all checks at once, each within its limit, all within the deadline, whatever they do.

The event loop runs in a daemon thread. Drivers are imported there before the clock of any check starts. So neither an
import nor a call that blocks the loop takes another check's time, or keeps the main thread beyond the deadline.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from checks.core.check import Check
from checks.core.finding import Diagnosis, Status
from checks.core.recorder import Settings
from preflight.config.origin import Origin
from preflight.grouping import grouped
from preflight.report.result import Result
from preflight.report.run_causes import DEADLINE, STARVED, interrupted, too_late
from preflight.run.check_thread import CheckThread
from preflight.run.execution import Execution
from preflight.run.isolation import isolated
from preflight.run.processor_time import ProcessorTime
from preflight.run.signals import Signals
from preflight.run.waiting import Wait, Waiting

if TYPE_CHECKING:
    from preflight.run.check_thread import Events, Send

    OnEvent = Callable[[tuple[Result, ...] | Waiting], object]

NO_WAIT, NO_PROCESSOR_TIME = Wait(), ProcessorTime()
TICK = 1.0  # seconds: the longest wait in one call; a signal that comes just before a call does not end it


@dataclass(frozen=True)
class Run:
    """The results in the order of the checks; tracebacks of bugs and of unreadable replies; the signal that came; how
    much of the processor the run got.
    """

    results: tuple[Result, ...]
    bugs: tuple[str, ...] = ()
    signal: int | None = None
    processor_time: ProcessorTime = field(default_factory=ProcessorTime)

    @property
    def starved(self) -> Diagnosis | None:
        """The diagnosis of too little processor time: a failure if checks were not done, else a warning."""
        ids = {finding.id for result in self.results for finding in result.findings}
        if STARVED.id in ids:
            return self.processor_time.diagnosis(Status.FAIL)
        return self.processor_time.diagnosis(Status.WARN) if self.processor_time.is_scarce else None


def run(  # noqa: PLR0913 - what to run, its limits, and what takes its results
    checks: tuple[Check, ...],
    settings: Settings,
    *,
    deadline: float,
    elapsed: float = 0.0,
    origins: Mapping[str, Origin],
    signals: Signals | None = None,
    on_event: OnEvent = lambda _: None,
    wait: Wait = NO_WAIT,
    before: ProcessorTime = NO_PROCESSOR_TIME,
) -> Run:
    """Run every check, equal ones once. Ends within ``deadline``, ``wait`` and half a second; never raises.

    ``elapsed`` seconds of the deadline have passed already, with ``before`` of the processor. ``on_event`` gets the
    results of checks as they end, and what is tried again.
    """
    deadline += wait.seconds
    ends, signals = time.monotonic() + deadline - elapsed, signals or Signals()
    executions = tuple(Execution(group, settings) for group in _distinct(checks))
    check_thread = CheckThread(executions, wait)

    def send(event: Execution | Waiting) -> None:
        if isinstance(event, Execution):
            on_event(tuple(result for _, result in event.results(origins)))
        else:
            on_event(event)

    with signals.passed_to(check_thread.events.put), isolated():
        if not signals.received and time.monotonic() < ends:
            check_thread.thread.start()
        try:
            reason = _wait(check_thread.events, ends, deadline, send)
        except BaseException:  # Ctrl-C in a program that calls the library: the probes clean up first
            check_thread.abort(interrupted(), lambda _: None)
            check_thread.clean_up()
            raise
        processor_time = before + check_thread.processor_time
        if reason:
            check_thread.abort(late(reason, deadline, processor_time), send)
            check_thread.clean_up()
        check_thread.finish()
    results = {id(check): result for execution in executions for check, result in execution.results(origins)}
    bugs = tuple(execution.bug for execution in executions if execution.bug)
    return Run(tuple(results[id(check)] for check in checks), bugs, signals.received, processor_time)


def late(reason: Diagnosis, deadline: float, processor_time: ProcessorTime) -> Diagnosis:
    """Why checks were ended: not the deadline, if the run had too little processor time to meet it."""
    is_starved = reason.cause is DEADLINE and processor_time.too_little_for(deadline)
    return processor_time.diagnosis(Status.SKIP) if is_starved else reason


def _distinct(checks: Iterable[Check]) -> tuple[tuple[Check, ...], ...]:
    return tuple(map(tuple, grouped(checks, _identity).values()))


def _identity(check: Check) -> Check | int:
    """Equal checks run once. A check whose hash has a bug equals no other."""
    with suppress(BaseException):
        hash(check)
        return check
    return id(check)


def _wait(events: Events, ends: float, deadline: float, send: Send) -> Diagnosis | None:
    """Wait for the end of all checks. Returns the reason if something ended them sooner."""
    while True:
        try:
            event = events.get(timeout=max(0.0, min(TICK, ends - time.monotonic())))
        except queue.Empty:
            if time.monotonic() < ends:
                continue
            return too_late(deadline)
        match event:
            case None:
                return None
            case int():
                return interrupted()
            case _:
                send(event)
