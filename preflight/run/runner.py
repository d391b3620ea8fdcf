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
    origins: Mapping[str, str],
    signals: Signals | None = None,
    on_end: OnEnd | None = None,
) -> Run:
    """Make every check, equal ones once. Ends within ``deadline`` and half a second; never raises.

    ``elapsed`` seconds of the deadline are gone already.
    """
    ends, signals = time.monotonic() + deadline - elapsed, signals or Signals()
    climbs = tuple(Execution(group, settings) for group in _distinct(checks))
    work = _Work(climbs)

    def tell(climb: Execution) -> None:
        if on_end:
            on_end(tuple(result for _, result in climb.results(origins)))

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
    found = {id(check): result for climb in climbs for check, result in climb.results(origins)}
    bugs = tuple(climb.bug for climb in climbs if climb.bug)
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
    return DEADLINE.found(f"not done when the run's deadline of {deadline:g} s came")


def interrupted() -> Diagnosis:
    """Of a signal."""
    return INTERRUPTED.found("the run was interrupted before this was done")


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
            case climb:
                tell(climb)


class _Work:
    """The climbs in their thread. ``events`` tells of each that ended, and with None of the end of all."""

    def __init__(self, climbs: tuple[Execution, ...]) -> None:
        self.climbs = climbs
        self.events: Events = queue.SimpleQueue()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.error: BaseException | None = None
        self._loop: Loop | None = None
        self._turns = asyncio.Semaphore(machine.turns())
        self._tasks: list[asyncio.Task[None]] = []

    def cut(self, reason: Diagnosis, tell: Callable[[Execution], None]) -> None:
        """End every climb that is not over, and tell of it."""
        for climb in self.climbs:
            if not climb.is_over:
                climb.cut(self._why(climb, reason))
                tell(climb)

    def _why(self, climb: Execution, reason: Diagnosis) -> Diagnosis:
        """A climb that had no turn, when others had, lacked descriptors and not time."""
        waited = self._turns.locked() and not climb.is_begun and reason.cause is DEADLINE
        return machine.waited(reason.message) if waited else reason

    def settle(self) -> None:
        """End every climb for the error that ended them all, if there was one."""
        for climb in self.climbs if self.error else ():
            climb.end(self.error)

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
            for climb in self.climbs:
                if not climb.is_over:
                    _import_drivers(climb)
            self._loop = Loop()
            self._loop.set_exception_handler(lambda *_: None)  # what is left behind may fail, in silence
            self._complete(self._loop)
            self._loop.close()
        except BaseException as error:  # a bug of this module; a thread would print it, and its words
            self.error = error
        finally:
            self.events.put(None)

    def _complete(self, loop: Loop) -> None:
        """Climb to the end. SystemExit, where a driver's own task raises it, reaches its climb, but stops the loop."""
        work = loop.create_task(self._climb_all())
        while not work.done():
            with suppress(SystemExit, KeyboardInterrupt):
                loop.run_until_complete(work)

    async def _climb_all(self) -> None:
        await asyncio.gather(*map(self._climb, self.climbs))
        await asyncio.sleep(0)  # closed transports report their end

    async def _climb(self, climb: Execution) -> None:
        async with self._turns:
            await self._climb_now(climb)

    async def _climb_now(self, climb: Execution) -> None:
        if not climb.begin():
            return
        task = asyncio.create_task(_attempt(climb))
        self._tasks.append(task)
        done, _ = await asyncio.wait({task}, timeout=climb.settings.timeout)
        if not done:
            climb.cut()
            task.cancel()
            await asyncio.wait({task}, timeout=GRACE)
        self.events.put(climb)


def _import_drivers(climb: Execution) -> None:
    try:
        for module in climb.check.imports:
            importlib.import_module(module)
    except BaseException as error:
        climb.end(error)


async def _attempt(climb: Execution) -> None:
    try:
        await climb.check.run(climb.record)
    except StopCheck:
        climb.end()
    except BaseException as error:  # also SystemExit, from a driver: it would end the loop
        climb.end(error)
    else:
        climb.end()
