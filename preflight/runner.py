"""All checks at once, each within its limit, all within the deadline, whatever they do.

The event loop runs in a daemon thread, and every driver is imported there before any check's clock starts: neither an
import nor a call that blocks the loop can eat another probe's time or keep the main thread from its deadline.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import queue
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from checks.base import Check, ClimbEnded, Diagnosis, Finding, Settings
from checks.isolation import isolated
from checks.threads import Loop
from preflight.climb import Climb
from preflight.endings import DEADLINE, INTERRUPTED
from preflight.signals import Signals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from preflight.report import Result

    OnEnd = Callable[[tuple[Check, ...], Finding | None], object]
    Events = queue.SimpleQueue["Climb | int | None"]

GRACE = 0.3  # seconds for a cancelled check to clean up; after that it is left behind


@dataclass(frozen=True)
class Run:
    """Results in the order of the checks, the traceback of every bug met, and the signal that ended the run."""

    results: tuple[Result, ...]
    bugs: tuple[str, ...] = ()
    signal: int | None = None


def run(  # noqa: PLR0913 - what, within which limits, and whom to tell
    checks: tuple[Check, ...],
    settings: Settings,
    *,
    deadline: float,
    origins: Mapping[str, str],
    signals: Signals | None = None,
    on_end: OnEnd | None = None,
) -> Run:
    """Make every check, equal ones once. Ends within ``deadline`` (seconds) and half a second; never raises."""
    ends, signals = time.monotonic() + deadline, signals or Signals()
    climbs = tuple(Climb(group, settings) for group in _distinct(checks))
    work = _Work(climbs)
    with signals.told_to(work.events.put), isolated(os.environ):
        work.thread.start()
        if reason := _watch(work.events, ends, deadline, on_end):
            work.stop(reason)
    found = {id(check): result for climb in climbs for check, result in climb.results(origins)}
    bugs = tuple(climb.bug for climb in climbs if climb.bug)
    return Run(tuple(found[id(check)] for check in checks), bugs, signals.received)


def _distinct(checks: Iterable[Check]) -> tuple[tuple[Check, ...], ...]:
    groups: dict[Check, list[Check]] = {}
    for check in checks:
        groups.setdefault(check, []).append(check)
    return tuple(map(tuple, groups.values()))


def _watch(events: Events, ends: float, deadline: float, on_end: OnEnd | None) -> Diagnosis | None:
    """Wait for the end of the work, or for what ends it sooner."""
    while True:
        try:
            event = events.get(timeout=max(0.0, ends - time.monotonic()))
        except queue.Empty:
            return DEADLINE.found(f"not done when the run's deadline of {deadline:g} s came")
        match event:
            case None:
                return None
            case int():
                return INTERRUPTED.found("the run was interrupted before this was done")
            case climb:
                if on_end:
                    on_end(climb.checks, climb.worst)


class _Work:
    """The climbs in their thread. ``events`` tells of each that ended, and with None of the end of all."""

    def __init__(self, climbs: tuple[Climb, ...]) -> None:
        self.climbs = climbs
        self.events: Events = queue.SimpleQueue()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self._loop: Loop | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def stop(self, reason: Diagnosis) -> None:
        """End every climb now; return when all have cleaned up, or when the grace is over."""
        for climb in self.climbs:
            climb.cut(reason)
        with suppress(RuntimeError, AttributeError):  # the loop is closed, or not there yet
            self._loop.call_soon_threadsafe(self._cancel)  # type: ignore[union-attr]
        self.thread.join(GRACE)

    def _cancel(self) -> None:
        for task in self._tasks:
            task.cancel()

    def _run(self) -> None:
        try:
            for climb in self.climbs:
                _import_drivers(climb)
            self._loop = Loop()
            self._loop.set_exception_handler(lambda *_: None)  # what is left behind may fail, in silence
            self._loop.run_until_complete(self._climb_all())
            self._loop.close()
        finally:
            self.events.put(None)

    async def _climb_all(self) -> None:
        await asyncio.gather(*(self._climb(climb) for climb in self.climbs if not climb.is_over))
        await asyncio.sleep(0)  # closed transports report their end

    async def _climb(self, climb: Climb) -> None:
        climb.begin()
        task = asyncio.create_task(_attempt(climb))
        self._tasks.append(task)
        done, _ = await asyncio.wait({task}, timeout=climb.settings.timeout)
        if not done:
            climb.cut()
            task.cancel()
            await asyncio.wait({task}, timeout=GRACE)
        self.events.put(climb)


def _import_drivers(climb: Climb) -> None:
    try:
        for module in climb.check.imports:
            importlib.import_module(module)
    except Exception as error:
        climb.end(error)


async def _attempt(climb: Climb) -> None:
    try:
        await climb.check.run(climb.record)
    except ClimbEnded:
        climb.end()
    except BaseException as error:  # also SystemExit, from a driver: it would end the loop
        climb.end(error)
    else:
        climb.end()
