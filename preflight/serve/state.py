"""What the server shows: the last run, and how the deployment changed since the start."""

from __future__ import annotations

import math
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from preflight.serve.changes import History, RunChanges

if TYPE_CHECKING:
    from preflight.serve.outcome import Outcome
    from preflight.serve.schedule import Schedule

FORMATS = ("json", "html", "prometheus")
_YOUNG = 3  # intervals
_SOON, _MARGIN = 5, 2  # seconds


@dataclass
class ServedState:
    """One thread adds runs and replaces the attributes; another reads them. ``runs``: those that changed something."""

    schedule: Schedule
    last: Outcome | None = None
    runs: tuple[RunChanges, ...] = ()
    codes: Counter[int] = field(default_factory=Counter)
    _history: History = field(default_factory=History)

    @property
    def every(self) -> float:
        """Seconds between two runs."""
        return self.schedule.every

    @property
    def ready(self) -> bool:
        """Whether the last run was ready, and is younger than three intervals."""
        last = self.last
        return bool(last and last.ready and time.monotonic() - last.ended < _YOUNG * self.every)

    @property
    def refresh(self) -> int:
        """Seconds until the page is likely to have changed."""
        if not self.last or self.schedule.is_running:
            return _SOON
        return max(_SOON, math.ceil(self.schedule.due - time.monotonic() + self.last.seconds) + _MARGIN)

    def add(self, outcome: Outcome) -> RunChanges:
        """Add a run. Returns what it changed."""
        changed = self._history.add(outcome)
        self.codes = self.codes + Counter([outcome.code])
        self.runs, self.last = tuple(self._history.runs), outcome
        return changed
