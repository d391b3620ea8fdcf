"""SIGINT and SIGTERM, from the first moment of a run to its last."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Listener = Callable[[int], object]

SIGNALS = (signal.SIGINT, signal.SIGTERM)
_PATIENCE = 1.0  # seconds for a report that is being written when a signal comes: whoever reads it may have stopped


class Interrupted(KeyboardInterrupt):
    """A signal, SIGTERM too, ended what the main thread was waiting for."""


class Signals:
    """The first signal is kept in ``received``; every one is told to whoever listens at the time.

    It raises Interrupted only where the main thread may wait for long: an import that is broken off, or a report,
    would be lost.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._listener: Listener | None = None

    @contextmanager
    def caught(self) -> Iterator[Signals]:
        """Take over both signals, and give them back. Only the main thread can; elsewhere they stay as they are.

        A signal that the caller has this process ignore, as nohup and shells do, stays ignored.
        """
        mine = threading.current_thread() is threading.main_thread()
        heeded = [number for number in SIGNALS if mine and signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.signal(number, self._receive) for number in heeded}
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS if mine else ())  # the console script holds them back
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def told_to(self, listener: Listener) -> Iterator[None]:
        """Until the end of the block, call the listener; at once for a signal that came before."""
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
        with self.told_to(self._interrupt):
            yield
        if self.received:  # it was raised where Python lets nothing through, as in a finalizer
            raise Interrupted

    @contextmanager
    def hurrying(self) -> Iterator[None]:
        """While a report is written, a signal only limits the time for that, and then raises Interrupted."""
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
        self._listener = None  # once: a second one would break off what the first one led to
        raise Interrupted

    def _set_limit(self, _: int) -> None:
        self._listener = None
        signal.signal(signal.SIGALRM, self._interrupt)
        signal.setitimer(signal.ITIMER_REAL, _PATIENCE)
