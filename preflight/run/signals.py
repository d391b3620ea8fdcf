"""What SIGINT and SIGTERM do, from the start of the command to its end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Listener = Callable[[int], object]

SIGNALS = (signal.SIGINT, signal.SIGTERM)
_PATIENCE = 1.0  # seconds for a report that is being written when a signal comes: its reader may have stopped


class Interrupted(KeyboardInterrupt):
    """A signal (also SIGTERM) ended what the main thread was waiting for."""


class Signals:
    """Keeps the first signal in ``received``, and passes every signal to the listener of that time.

    It raises Interrupted only where the main thread may wait long. Elsewhere that would break an import or a report.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._listener: Listener | None = None

    @contextmanager
    def caught(self) -> Iterator[Signals]:
        """Handle both signals until the end of the block. Only in the main thread: Python allows it nowhere else.

        A signal that this process was started to ignore, as by nohup and by shells, stays ignored.
        """
        is_main = threading.current_thread() is threading.main_thread()
        handled = [number for number in SIGNALS if is_main and signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.signal(number, self._receive) for number in handled}
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS if is_main else ())  # the console script blocks them
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def passed_to(self, listener: Listener) -> Iterator[None]:
        """Call the listener for every signal in the block, and at once if one came before."""
        before, self._listener = self._listener, listener
        try:
            if self.received:
                listener(self.received)
            yield
        finally:
            self._listener = None if self.received else before

    @contextmanager
    def interrupting(self) -> Iterator[None]:
        """A signal before or within the block raises Interrupted."""
        with self.passed_to(self._interrupt):
            yield
        if self.received:  # Interrupted was raised where Python ignores exceptions, as in a finalizer
            raise Interrupted

    @contextmanager
    def while_writing(self) -> Iterator[None]:
        """In this block, which writes a report, a signal only limits the time; after that, Interrupted is raised."""
        self._listener = self._set_limit
        try:
            yield
        finally:
            self._listener = None
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _receive(self, number: int, _: object) -> None:
        self.received = self.received or number
        if self._listener:
            self._listener(number)

    def _interrupt(self, *_: object) -> None:
        self._listener = None  # once: a second Interrupted would break what the first one led to
        raise Interrupted

    def _set_limit(self, _: int) -> None:
        self._listener = None
        signal.signal(signal.SIGALRM, self._interrupt)
        signal.setitimer(signal.ITIMER_REAL, _PATIENCE)
