"""How much of a processor core a run got. With too little, it cannot distinguish a slow server from its own delay."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from checks.core.finding import Diagnosis, Status
from preflight.report.run_causes import STARVED

# A run of 20 checks uses one second of a core.
_TOO_LITTLE = 0.15  # of a core, for a run that the deadline ends
_SCARCE = 0.06  # of a core, for a run that ends by itself
_LONG = 10.0  # seconds that a run waited for a core: shorter waits are usual on a busy machine


@dataclass(frozen=True)
class ProcessorTime:
    """Seconds in which a thread ran, and in which it could have run and had no processor."""

    ran: float = 0.0
    waited: float = 0.0

    def __add__(self, other: ProcessorTime) -> ProcessorTime:
        return ProcessorTime(self.ran + other.ran, self.waited + other.waited)

    @property
    def share(self) -> float:
        """The part of a core that it got while it had something to do."""
        return self.ran / (self.ran + self.waited) if self.waited else 1.0

    def diagnosis(self, status: Status) -> Diagnosis:
        """The diagnosis of too little processor time."""
        message = f"this process got {self.share:.0%} of a processor core: it waited {self.waited:.0f} s for it"
        return STARVED.diagnosis(message, status=status)

    def too_little_for(self, deadline: float) -> bool:
        """Whether the wait for the processor took most of these seconds."""
        return self.waited >= max(_LONG, deadline / 2) and self.share < _TOO_LITTLE

    @property
    def is_scarce(self) -> bool:
        """Whether it was so little that it is worth a warning."""
        return self.waited >= _LONG and self.share < _SCARCE


def of_thread(thread: int | str, process: int | str = "self") -> ProcessorTime:
    """The time of a thread, by its native id. Only Linux reports it: elsewhere, and after the thread's end, it is zero.

    https://docs.kernel.org/scheduler/sched-stats.html, /proc/<pid>/schedstat
    """
    try:
        ran, waited, _ = Path(f"/proc/{process}/task/{thread}/schedstat").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return ProcessorTime()
    return ProcessorTime(int(ran) / 1e9, int(waited) / 1e9)


def of_process(process: int) -> ProcessorTime:
    """The time of that thread of a process that has waited longest."""
    try:
        threads = [entry.name for entry in Path(f"/proc/{process}/task").iterdir()]
    except OSError:
        return ProcessorTime()
    return max(
        (of_thread(thread, process) for thread in threads),
        key=lambda each: each.waited,
        default=ProcessorTime(),
    )
