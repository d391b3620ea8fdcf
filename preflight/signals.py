"""SIGINT and SIGTERM, from the first moment of a run to its last."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(BaseException):
    """A signal came while there was nothing yet to report."""


class Signals:
    """The first signal is kept in ``received`` and told to whoever listens.

    Before anybody has listened it raises Interrupted. After that it only sets the exit code, so that nothing that was
    found is lost; while the report is written, a second one ends the process at once.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._listener: Callable[[int], object] | None = None
        self._raises = True
        self._writing = False

    @contextmanager
    def caught(self) -> Iterator[Signals]:
        """Take over both signals, and give them back. Only the main thread can; elsewhere they stay as they are."""
        mine = threading.current_thread() is threading.main_thread()
        before = {number: signal.signal(number, self._receive) for number in SIGNALS} if mine else {}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def told_to(self, listener: Callable[[int], object]) -> Iterator[None]:
        """Until the end of the block, call the listener; of a signal before it, too.

        What an exception from a handler interrupts may be a destructor or a callback of an import, where it is lost.
        """
        self._listener, self._raises = listener, False
        if self.received:
            listener(self.received)
        try:
            yield
        finally:
            self._listener = None

    def only_kept(self) -> None:
        """From now on the report is written: interrupt nothing."""
        self._raises, self._writing = False, True

    def _receive(self, number: int, _: object) -> None:
        if self._writing and self.received:
            os._exit(128 + number)
        self.received = self.received or number
        if self._listener:
            self._listener(number)
        elif self._raises:
            raise Interrupted(number)
