"""The progress of a run on a terminal: which checks run, and what each has found."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

from checks.core.check import Check
from checks.core.finding import Status
from preflight.output.progress_rows import ProgressRow, ProgressRows

if TYPE_CHECKING:
    from rich.live import Live

    from preflight.report.result import Result
    from preflight.run.waiting import Waiting

_DELAY = 0.2  # seconds: a shorter run shows no table


class Progress:
    """Draws a live table on ``stream`` if that is a capable terminal. A context: its end removes the table."""

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
                with suppress(OSError, ValueError):  # the terminal is closed
                    self._live.stop()

    def update(self, event: tuple[Result, ...] | Waiting) -> None:
        """Show the results of checks that have ended, or which finding is tried again."""
        match event:
            case tuple():
                self._end(event)
            case _:
                for name in event.names if self._stream else ():
                    self._rows.rows[name].finding = event.finding

    def _end(self, results: tuple[Result, ...]) -> None:
        for result in (each for each in results if each.name in self._rows.rows):
            row, worst = self._rows.rows[result.name], max(result.findings, key=lambda finding: finding.status)
            row.status = result.status
            row.finding = worst.id if worst.status >= Status.WARN else ""
            row.seconds = self._rows.seconds

    def _begin(self) -> None:
        """In the timer's thread: no check waits for the import of the library."""
        from preflight.output import progress_table

        with self._lock:
            if self._stream and not self._is_over:
                self._live = progress_table.start(self._stream, self._rows, color=self._color)


def _target(check: Check) -> str:
    with suppress(Exception):  # a bug in ``target`` is reported with the result
        return check.target
    return ""
