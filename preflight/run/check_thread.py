"""The thread in which all checks of a run are made, each within its time limit."""

from __future__ import annotations

import asyncio
import importlib
import itertools
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from checks.core import machine
from checks.core.finding import Diagnosis
from checks.core.loop import waits
from checks.core.loop.threads import Loop
from preflight.report.run_causes import DEADLINE
from preflight.run import waiting
from preflight.run.processor_time import ProcessorTime, of_thread
from preflight.run.waiting import Wait, Waiting

if TYPE_CHECKING:
    from preflight.run.execution import Execution

    Send = Callable[[Execution | Waiting], None]
    Events = queue.SimpleQueue["Execution | Waiting | int | None"]

GRACE = 0.3  # seconds for a cancelled check to clean up; after that it is abandoned


class CheckThread:
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
        self._total_time: ProcessorTime | None = None

    @property
    def processor_time(self) -> ProcessorTime:
        """How much of the processor the thread has got so far."""
        return self._total_time or of_thread(self.thread.native_id or 0)

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
        """End every execution, if an error ended the thread."""
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
            self._total_time = self.processor_time
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
            names = tuple(check.name for check in execution.checks)
            failures = self._wait.failures(execution.record.findings, names)
            if failures - execution.healing_ids:
                self._is_settled.set()
            seconds = waiting.pause(attempt)
            if not failures or time.monotonic() + seconds > self._wait_ends:
                return
            self.events.put(Waiting(names, min(failures)))
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
