"""Makes the runs, one after the other: never two at once, and not all machines at the same second."""

from __future__ import annotations

import queue
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from preflight.serve.outcome import Outcome, RunScope, failed, outcome

if TYPE_CHECKING:
    from preflight.serve.runs import ProcessRunner

    Orders = queue.SimpleQueue[None]

JITTER = 0.1  # of the interval, more or less
_MIN_PAUSE = 1.0  # seconds between the end of a run and the start of the next


@dataclass
class Schedule:
    """``every``: seconds from the start of a run to that of the next, more or less. ``due``: when that is (monotonic).

    ``run_now`` and ``end`` may be called by a signal's handler and by another thread.
    """

    runner: ProcessRunner
    scope: RunScope
    every: float
    chance: Callable[[], float] = lambda: random.uniform(-JITTER, JITTER)  # noqa: S311 - it protects nothing
    due: float = field(default_factory=time.monotonic, init=False)
    is_running: bool = field(default=False, init=False)
    _orders: Orders = field(default_factory=queue.SimpleQueue, init=False)  # its methods are reentrant

    def outcomes(self) -> Iterator[Outcome]:
        """Make run after run until ``end``."""
        while not self.runner.is_over:
            started, self.is_running = time.monotonic(), True
            made = self._run()
            self.due, self.is_running = due(started, made.ended, self.every, self.chance()), False
            if not self.runner.is_over:
                yield made
                self._wait()

    def run_now(self) -> None:
        """Make the next run now, or when the present one has ended."""
        self._orders.put(None)

    def end(self) -> None:
        """End the present run, and make no other."""
        self.runner.end()
        self._orders.put(None)

    def _run(self) -> Outcome:
        names = self.runner.formats
        try:
            return outcome(self.runner.run(), names, self.scope)
        except Exception as error:  # the next run may succeed
            return failed(error, names, self.scope)

    def _wait(self) -> None:
        try:
            self._orders.get(timeout=max(0.0, self.due - time.monotonic()))
            while True:  # several orders are one
                self._orders.get_nowait()
        except queue.Empty:
            return


def due(started: float, ended: float, every: float, share: float) -> float:
    """When the next run starts (monotonic). ``share``: by how much of the interval it is later than that."""
    return max(started + every * (1 + share), ended + _MIN_PAUSE)
