"""What a run waits for, and what each check found, as it comes: a live table where there is a terminal."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

from checks.core.check import Status
from preflight.output.progress_rows import ProgressRow, ProgressRows

if TYPE_CHECKING:
    from rich.live import Live

    from checks.core.check import Check
    from preflight.report.model import Result

_DELAY = 0.2  # seconds: what is over by then needs no table, and none flashes up


class Progress:
    """Draws on ``stream`` if that is a terminal that can; else does nothing. A context: the table goes when it ends."""

    def __init__(self, stream: TextIO | None, checks: tuple[Check, ...], *, color: bool = True) -> None:
        self._stream = stream if stream and stream.isatty() and os.environ.get("TERM") != "dumb" else None
        self._rows = ProgressRows(
            {check.name: ProgressRow(check.name, _target(check)) for check in checks if self._stream}
        )
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
                with suppress(OSError, ValueError):  # the terminal is gone: nobody watches any more
                    self._live.stop()

    def ended(self, results: tuple[Result, ...]) -> None:
        """These are there."""
        for result in (each for each in results if each.name in self._rows.rows):
            row, worst = self._rows.rows[result.name], max(result.findings, key=lambda finding: finding.status)
            row.status = result.status
            row.found = worst.id if worst.status >= Status.WARN else ""
            row.seconds = self._rows.seconds

    def _begin(self) -> None:
        """In the timer's thread: the library takes a while to come, and no check waits for it."""
        from preflight.output import progress_table

        with self._lock:
            if self._stream and not self._is_over:
                self._live = progress_table.start(self._stream, self._rows, color=self._color)


def _target(check: Check) -> str:
    """Nothing of a check that cannot even say what it is: its result will tell of that."""
    try:
        return check.target
    except Exception:
        return ""
