"""Runs all checks at once, each within its limit, all within the deadline, whatever they do.

The event loop runs in a daemon thread. Drivers are imported there before the clock of any check starts. So neither an
import nor a call that blocks the loop takes another check's time, or keeps the main thread beyond the deadline.
"""

from __future__ import annotations

import asyncio
import importlib
import itertools
import queue
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from checks.core import machine, waits
from checks.core.check import Check, Diagnosis, Settings
from checks.core.isolation import isolated
from checks.core.threads import Loop
from preflight.report.run_causes import DEADLINE, interrupted, too_late
from preflight.run import waiting
from preflight.run.execution import Execution
from preflight.run.signals import Signals
from preflight.run.waiting import Wait, Waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from preflight.config.origin import Origin
    from preflight.report.model import Result

    OnEvent = Callable[[tuple[Result, ...] | Waiting], object]
    Send = Callable[[Execution | Waiting], None]
    Events = queue.SimpleQueue["Execution | Waiting | int | None"]

NO_WAIT = Wait()
TICK = 1.0  # seconds: the longest wait in one call; a signal that comes just before a call does not end it
GRACE = 0.3  # seconds for a cancelled check to clean up; after that it is abandoned


@dataclass(frozen=True)
class Run:
    """The results in the order of the checks; tracebacks of bugs and of unreadable replies; the signal that came."""

    results: tuple[Result, ...]
    bugs: tuple[str, ...] = ()
    signal: int | None = None


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
) -> Run:
    """Run every check, equal ones once. Ends within ``deadline``, ``wait`` and half a second; never raises.

    ``elapsed`` seconds of the deadline have passed already. ``on_event`` gets the results of checks as they end,
    and what is tried again.
    """
    deadline += wait.seconds
    ends, signals = time.monotonic() + deadline - elapsed, signals or Signals()
    executions = tuple(Execution(group, settings) for group in _distinct(checks))
    work = _Work(executions, wait)

    def send(event: Execution | Waiting) -> None:
        if isinstance(event, Execution):
            on_event(tuple(result for _, result in event.results(origins)))
        else:
            on_event(event)

    with signals.passed_to(work.events.put), isolated():
        if not signals.received and time.monotonic() < ends:
            work.thread.start()
        try:
            reason = _wait(work.events, ends, deadline, send)
        except BaseException:  # Ctrl-C in a program that calls the library: the probes clean up first
            work.abort(interrupted(), lambda _: None)
            work.clean_up()
            raise
        if reason:
            work.abort(reason, send)
            work.clean_up()
        work.finish()
    results = {id(check): result for execution in executions for check, result in execution.results(origins)}
    bugs = tuple(execution.bug for execution in executions if execution.bug)
    return Run(tuple(results[id(check)] for check in checks), bugs, signals.received)


def _distinct(checks: Iterable[Check]) -> tuple[tuple[Check, ...], ...]:
    groups: dict[Check | int, list[Check]] = {}
    for check in checks:
        groups.setdefault(_identity(check), []).append(check)
    return tuple(map(tuple, groups.values()))


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


class _Work:
    """The executions in their thread. ``events`` gets each that ends, and None at the end of all."""

    def __init__(self, executions: tuple[Execution, ...], wait: Wait) -> None:
        self.executions, self._wait = executions, wait
        self._wait_ends = time.monotonic() + wait.seconds
        self._is_settled = asyncio.Event()  # waiting cannot make the run ready, or is not wanted any more
        self.events: Events = queue.SimpleQueue()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self._error: BaseException | None = None
        self._loop: Loop | None = None
        self._slots = asyncio.Semaphore(machine.concurrent_checks())
        self._tasks: list[asyncio.Task[None]] = []

    def abort(self, reason: Diagnosis, send: Send) -> None:
        """Abort and send every execution that is not over."""
        for execution in self.executions:
            if not execution.settle():
                execution.abort(self._reason(execution, reason))
                send(execution)

    def _reason(self, execution: Execution, reason: Diagnosis) -> Diagnosis:
        """An execution that still waited for a slot at the deadline lacked file descriptors, not time."""
        waited = self._slots.locked() and not execution.is_started and reason.cause is DEADLINE
        return machine.never_started(reason.message) if waited else reason

    def finish(self) -> None:
        """If an error ended the thread, it ends every execution."""
        for execution in self.executions if self._error else ():
            execution.finish(self._error)

    def clean_up(self) -> None:
        """Cancel all checks; return when they have cleaned up, or after the grace."""
        if not self._loop:  # no check was started, and none will be
            return
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._cancel, self._loop)
        self.thread.join(GRACE)

    def _cancel(self, loop: Loop) -> None:
        """Cancel again after the grace: a driver that ignored it would run on in a program that calls the library."""
        self._is_settled.set()
        for task in self._tasks:
            task.cancel()
        if not all(task.done() for task in self._tasks):
            loop.call_later(GRACE, self._cancel, loop)

    def _run(self) -> None:
        try:
            for execution in self.executions:
                if not execution.is_over:
                    _import_drivers(execution)
            self._loop = Loop()
            self._loop.set_exception_handler(lambda *_: None)  # print no errors of abandoned tasks
            self._complete(self._loop)
            self._loop.close()
        except BaseException as error:  # a bug outside the checks: Python would print it, and run() not see it
            self._error = error
        finally:
            self.events.put(None)

    def _complete(self, loop: Loop) -> None:
        """Run all checks. A driver's own task may raise SystemExit: it reaches its check, but stops the loop."""
        work = loop.create_task(self._execute_all())
        while not work.done():
            with suppress(SystemExit, KeyboardInterrupt):
                loop.run_until_complete(work)

    async def _execute_all(self) -> None:
        await asyncio.gather(*map(self._execute_until_settled, self.executions))
        await asyncio.sleep(0)  # closed transports report their end

    async def _execute_until_settled(self, execution: Execution) -> None:
        try:
            await self._try_until_settled(execution)
        finally:
            execution.settle()
            self.events.put(execution)

    async def _try_until_settled(self, execution: Execution) -> None:
        """Try again after a pause, while the check only reports what may disappear by waiting."""
        for attempt in itertools.count(1):
            async with self._slots:
                await self._execute(execution)
            failures = self._wait.failures(execution.record.findings)
            if failures - execution.healing_ids:
                self._is_settled.set()
            seconds = waiting.pause(attempt)
            if not failures or time.monotonic() + seconds > self._wait_ends:
                return
            self.events.put(Waiting(tuple(check.name for check in execution.checks), min(failures)))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._is_settled.wait(), seconds)
            if self._is_settled.is_set() or not execution.start_again():
                return

    async def _execute(self, execution: Execution) -> None:
        if not execution.start():
            return
        task = asyncio.create_task(_attempt(execution))
        self._tasks.append(task)
        done, _ = await asyncio.wait({task}, timeout=execution.settings.timeout)
        if not done:
            execution.abort()
            task.cancel()
            await asyncio.wait({task}, timeout=GRACE)


def _import_drivers(execution: Execution) -> None:
    with execution.catching():
        for module in execution.check.imports:
            importlib.import_module(module)


async def _attempt(execution: Execution) -> None:
    waits.note_in(execution.record.waits)
    with execution.catching():
        await execution.check.run(execution.record)
        execution.finish()
