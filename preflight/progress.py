"""One line on a terminal that says what a run still waits for."""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from checks.base import Check
    from preflight.report import Result

_ERASE = "\r\x1b[K"


class Progress:
    """Draws on ``stream`` if that is a terminal; else does nothing. A context: the line goes when it ends."""

    def __init__(self, stream: TextIO | None, checks: tuple[Check, ...]) -> None:
        self._stream = stream if stream and stream.isatty() else None
        self._total = len(checks)
        self._waiting = [check.name for check in checks]

    def __enter__(self) -> Progress:
        self._draw()
        return self

    def __exit__(self, *_: object) -> None:
        self._write(_ERASE)

    def ended(self, results: tuple[Result, ...]) -> None:
        """These are there."""
        done = {result.name for result in results}
        self._waiting = [name for name in self._waiting if name not in done]
        self._draw()

    def _draw(self) -> None:
        line = f"{self._total - len(self._waiting)}/{self._total} checked, waiting for {', '.join(self._waiting)}"
        if self._stream and self._waiting:
            width = shutil.get_terminal_size().columns - 1
            self._write(_ERASE + (line if len(line) <= width else line[: width - 3] + "..."))

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # the terminal is gone: nobody watches any more
            if self._stream:
                self._stream.write(text)
                self._stream.flush()
