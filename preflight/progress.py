"""What a run waits for, and what each check found, as it comes: a live table where there is a terminal."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

from checks.base import Status

if TYPE_CHECKING:
    from rich.live import Live

    from checks.base import Check, Finding

_DELAY = 0.2  # seconds: what is over by then needs no table, and none flashes up


@dataclass
class Row:
    """One check. ``seconds`` is how long it took, None while it has not ended; ``found`` the id of what is wrong."""

    name: str
    target: str
    status: Status = Status.OK
    found: str = ""
    seconds: float | None = None


@dataclass
class Rows:
    """All checks, in the order of the report."""

    rows: dict[str, Row]
    started: float = field(default_factory=time.perf_counter)

    @property
    def seconds(self) -> float:
        """How long it has been going."""
        return time.perf_counter() - self.started


class Progress:
    """Draws on ``stream`` if that is a terminal that can; else does nothing. A context: the table goes when it ends."""

    def __init__(self, stream: TextIO | None, checks: tuple[Check, ...], *, color: bool = True) -> None:
        self._stream = stream if stream and stream.isatty() and os.environ.get("TERM") != "dumb" else None
        self._rows = Rows({check.name: Row(check.name, check.target) for check in checks})
        self._color = color
        self._live: Live | None = None
        self._lock, self._is_over = threading.Lock(), False
        self._timer = threading.Timer(_DELAY, self._begin)
        self._timer.daemon = True

    def __enter__(self) -> Progress:
        if self._stream and self._rows.rows:
            self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        with self._lock:
            self._is_over = True
            if self._live:
                self._live.stop()

    def ended(self, checks: tuple[Check, ...], worst: Finding | None) -> None:
        """These are done; ``worst`` is the worst that was found, None where nothing was."""
        for row in (self._rows.rows[check.name] for check in checks):
            row.status = worst.status if worst else Status.OK
            row.found = worst.id if worst and worst.status >= Status.WARN else ""
            row.seconds = self._rows.seconds

    def _begin(self) -> None:
        """In the timer's thread: the library takes a while to come, and no check waits for it."""
        from preflight import live_table

        with self._lock:
            if self._stream and not self._is_over:
                self._live = live_table.start(self._stream, self._rows, color=self._color)
