"""All checks at once, each within its limit, all within the deadline, whatever they do.

The event loop runs in a daemon thread, and every driver is imported there before any check's clock starts: neither an
import nor a call that blocks the loop can eat another probe's time or keep the main thread from its deadline.
"""

from __future__ import annotations

import asyncio
import importlib
import queue
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from checks.core import machine
from checks.core.check import Check, Diagnosis, Settings, StopCheck
from checks.core.isolation import isolated
from checks.core.threads import Loop
from preflight.report.run_causes import DEADLINE, INTERRUPTED
from preflight.run.execution import Execution
from preflight.run.signals import Signals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from preflight.config.origin import Origin
    from preflight.report.model import Result

    OnEnd = Callable[[tuple[Result, ...]], object]
    Events = queue.SimpleQueue["Execution | int | None"]

GRACE = 0.3  # seconds for a cancelled check to clean up; after that it is left behind


@dataclass(frozen=True)
class Run:
    """Results in the order of the checks, tracebacks of bugs and unreadable replies, the signal that ended the run."""

    results: tuple[Result, ...]
    bugs: tuple[str, ...] = ()
    signal: int | None = None


def run(  # noqa: PLR0913 - what, within which limits, and whom to tell
    checks: tuple[Check, ...],
    settings: Settings,
    *,
    deadline: float,
    elapsed: float = 0.0,
    origins: Mapping[str, Origin],
    signals: Signals | None = None,
    on_end: OnEnd | None = None,
) -> Run:
    """Make every check, equal ones once. Ends within ``deadline`` and half a second; never raises.

    ``elapsed`` seconds of the deadline are gone already.
    """
    ends, signals = time.monotonic() + deadline - elapsed, signals or Signals()
    executions = tuple(Execution(group, settings) for group in _distinct(checks))
    work = _Work(executions)

    def tell(execution: Execution) -> None:
        if on_end:
            on_end(tuple(result for _, result in execution.results(origins)))

    with signals.told_to(work.events.put), isolated():
        if not signals.received and time.monotonic() < ends:
            work.thread.start()
        try:
            reason = _watch(work.events, ends, deadline, tell)
        except BaseException:  # Ctrl-C, in a program that calls the library
            work.cut(interrupted(), lambda _: None)
            work.clean_up()
            raise
        if reason:
            work.cut(reason, tell)
            work.clean_up()
        work.settle()
    found = {id(check): result for execution in executions for check, result in execution.results(origins)}
    bugs = tuple(execution.bug for execution in executions if execution.bug)
    return Run(tuple(found[id(check)] for check in checks), bugs, signals.received)


def _distinct(checks: Iterable[Check]) -> tuple[tuple[Check, ...], ...]:
    groups: dict[Check | int, list[Check]] = {}
    for check in checks:
        groups.setdefault(_target(check), []).append(check)
    return tuple(map(tuple, groups.values()))


def _target(check: Check) -> Check | int:
    """What two checks share that are probed once; a check that cannot be compared shares nothing."""
    try:
        hash(check)
    except BaseException:
        return id(check)
    return check


def too_late(deadline: float) -> Diagnosis:
    """Of a run's deadline, in seconds."""
    return DEADLINE.diagnosis(f"not done when the run's deadline of {deadline:g} s came")


def interrupted() -> Diagnosis:
    """Of a signal."""
    return INTERRUPTED.diagnosis("the run was interrupted before this was done")


def _watch(events: Events, ends: float, deadline: float, tell: Callable[[Execution], None]) -> Diagnosis | None:
    """Wait for the end of the work, or for what ends it sooner."""
    while True:
        try:
            event = events.get(timeout=max(0.0, ends - time.monotonic()))
        except queue.Empty:
            return too_late(deadline)
        match event:
            case None:
                return None
            case int():
                return interrupted()
            case execution:
                tell(execution)


class _Work:
    """The executions in their thread. ``events`` tells of each that ended, and with None of the end of all."""

    def __init__(self, executions: tuple[Execution, ...]) -> None:
        self.executions = executions
        self.events: Events = queue.SimpleQueue()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.error: BaseException | None = None
        self._loop: Loop | None = None
        self._turns = asyncio.Semaphore(machine.concurrent_checks())
        self._tasks: list[asyncio.Task[None]] = []

    def cut(self, reason: Diagnosis, tell: Callable[[Execution], None]) -> None:
        """End every execution that is not over, and tell of it."""
        for execution in self.executions:
            if not execution.is_over:
                execution.abort(self._why(execution, reason))
                tell(execution)

    def _why(self, execution: Execution, reason: Diagnosis) -> Diagnosis:
        """A execution that had no turn, when others had, lacked descriptors and not time."""
        waited = self._turns.locked() and not execution.is_begun and reason.cause is DEADLINE
        return machine.never_started(reason.message) if waited else reason

    def settle(self) -> None:
        """End every execution for the error that ended them all, if there was one."""
        for execution in self.executions if self.error else ():
            execution.finish(self.error)

    def clean_up(self) -> None:
        """Return when all have cleaned up, or when the grace is over."""
        if not self._loop:  # nothing was begun, and nothing will be
            return
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._cancel, self._loop)
        self.thread.join(GRACE)

    def _cancel(self, loop: Loop) -> None:
        """Again after the grace: a driver may swallow it, and in a program that calls the library would go on."""
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
            self._loop.set_exception_handler(lambda *_: None)  # what is left behind may fail, in silence
            self._complete(self._loop)
            self._loop.close()
        except BaseException as error:  # a bug of this module; a thread would print it, and its words
            self.error = error
        finally:
            self.events.put(None)

    def _complete(self, loop: Loop) -> None:
        """Run all checks. A driver's own task may raise SystemExit: it reaches its check, but stops the loop."""
        work = loop.create_task(self._climb_all())
        while not work.done():
            with suppress(SystemExit, KeyboardInterrupt):
                loop.run_until_complete(work)

    async def _climb_all(self) -> None:
        await asyncio.gather(*map(self._climb, self.executions))
        await asyncio.sleep(0)  # closed transports report their end

    async def _climb(self, execution: Execution) -> None:
        async with self._turns:
            await self._climb_now(execution)

    async def _climb_now(self, execution: Execution) -> None:
        if not execution.start():
            return
        task = asyncio.create_task(_attempt(execution))
        self._tasks.append(task)
        done, _ = await asyncio.wait({task}, timeout=execution.settings.timeout)
        if not done:
            execution.abort()
            task.cancel()
            await asyncio.wait({task}, timeout=GRACE)
        self.events.put(execution)


def _import_drivers(execution: Execution) -> None:
    try:
        for module in execution.check.imports:
            importlib.import_module(module)
    except BaseException as error:
        execution.finish(error)


async def _attempt(execution: Execution) -> None:
    try:
        await execution.check.run(execution.record)
    except StopCheck:
        execution.finish()
    except BaseException as error:  # also SystemExit, from a driver: it would end the loop
        execution.finish(error)
    else:
        execution.finish()
