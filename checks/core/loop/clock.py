"""The clock of the checks' time limits. It counts the time that servers take, not the delay of this process.

A reply may have arrived long before this process reads it, because the process has no processor or is busy. Only a
tenth of such time counts, so that every limit ends.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable
from selectors import SelectorKey

MAX_WAIT = 0.05  # seconds of one wait: after each, the clock knows how late the process woke up
_MIN_SHARE = 0.1  # of the real time: so much always counts


class Selector(selectors.DefaultSelector):
    """The selector of an event loop, and its clock. ``now`` is the clock's time in seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self._last = time.monotonic()

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        """As the base class, but waits for at most MAX_WAIT."""
        begun, all_threads, own = time.monotonic(), time.process_time(), time.thread_time()
        allowed = MAX_WAIT if timeout is None else max(0.0, min(timeout, MAX_WAIT))
        events = super().select(allowed)
        ended = time.monotonic()
        others = (time.process_time() - all_threads) - (time.thread_time() - own)  # other threads were busy so long
        self.now += max(min(ended - begun, allowed) - others, _MIN_SHARE * (ended - self._last))
        self._last = ended
        return events


def current() -> Callable[[], float]:
    """The clock, in seconds, of the running event loop, which may be that of ``Selector``; else the system's."""
    try:
        return asyncio.get_running_loop().time
    except RuntimeError:
        return time.monotonic
