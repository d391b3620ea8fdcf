"""When a check waited for the network and for servers. The time of a layer is the time of these waits.

Between the begin and the end of a layer, this process also works for all other checks. So each wait is noted where it
happens: a socket knows when its request was sent, and the kernel when the reply arrived.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

ROUND_TRIP = "rtt_ms"
"""The fact of a check: the shortest round trip that the kernel measured, in milliseconds."""

_CURRENT: ContextVar[Waits | None] = ContextVar("waits", default=None)


class Waits:
    """The waits of one run of a check that have ended, as seconds of time.monotonic(). Any thread may add to them."""

    def __init__(self) -> None:
        self._ended: list[tuple[float, float]] = []
        self.round_trip: float | None = None  # seconds: the shortest that the kernel measured

    def add(self, begin: float, end: float) -> None:
        """Add a wait that has ended."""
        self._ended.append((begin, end))

    def add_round_trip(self, seconds: float) -> None:
        """Add a round trip that the kernel measured."""
        self.round_trip = min(seconds, self.round_trip or seconds)

    def seconds(self, since: float) -> float:
        """Seconds, ``since`` then, in which there was at least one wait."""
        covered, total = since, 0.0
        for begin, end in sorted(self._ended):
            total += max(0.0, end - max(begin, covered))
            covered = max(covered, end)
        return total


def current() -> Waits | None:
    """The waits of the check that runs this code; None outside of checks."""
    return _CURRENT.get()


def note_in(waits: Waits) -> None:
    """From here on, this task, and the tasks and threads that it starts, note their waits there."""
    _CURRENT.set(waits)


def add(begin: float, end: float) -> None:
    """Add a wait of the check that runs this code."""
    if waits := _CURRENT.get():
        waits.add(begin, end)


@contextmanager
def one_wait() -> Iterator[None]:
    """The block is one wait: it calls a function that blocks its thread until a server replies."""
    begun = time.monotonic()
    try:
        yield
    finally:
        add(begun, time.monotonic())
