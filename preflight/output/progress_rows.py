"""What the table of progress shows."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from checks.core.check import Status


@dataclass
class ProgressRow:
    """One check. ``seconds`` is how long it took, None while it has not ended; ``found`` the id of what is wrong."""

    name: str
    target: str
    status: Status = Status.OK
    found: str = ""
    seconds: float | None = None


@dataclass
class ProgressRows:
    """All checks, in the order of the report."""

    rows: dict[str, ProgressRow]
    started: float = field(default_factory=time.perf_counter)

    @property
    def seconds(self) -> float:
        """How long it has been going."""
        return time.perf_counter() - self.started
