"""The content of the progress table."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from checks.core.finding import Status


@dataclass
class ProgressRow:
    """One check. ``seconds`` is how long it took, None while it runs; ``finding`` is the id of what is wrong."""

    name: str
    target: str
    status: Status = Status.OK
    finding: str = ""
    seconds: float | None = None


@dataclass
class ProgressRows:
    """All checks, in the order of the report."""

    rows: dict[str, ProgressRow]
    started: float = field(default_factory=time.perf_counter)

    @property
    def seconds(self) -> float:
        """The time since the start of the run."""
        return time.perf_counter() - self.started
