"""Runs of the suite on this machine: each has a number while it lasts, and a folder that the next run uses again."""

import os
import uuid
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path

from filelock import FileLock, Timeout

STATE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mistle-preflight-test"


@dataclass(frozen=True)
class Run:
    """``worker``: the name that pytest-xdist gives this process of the run; "main" if there is only one."""

    number: int
    worker: str = "main"

    @property
    def folder(self) -> Path:
        return STATE / str(self.number)

    @property
    def worker_number(self) -> int:
        """The worker's number, from 1; 0 if there is only one."""
        return 1 + int(self.worker.removeprefix("gw")) if self.worker.startswith("gw") else 0

    @property
    def owner(self) -> str:
        """The label of the run's containers: two machines may share a Docker daemon and a host name."""
        return f"{_machine()}/{self.number}"

    def lock(self, name: str) -> FileLock:
        """A lock for work that one worker does for all workers."""
        return FileLock(self.folder / f"{name}.lock", timeout=300)


class _Current:
    run: Run | None = None
    held: FileLock | None = None


def begin() -> Run:
    """Take the lowest number that no living process holds; this process holds it until it ends."""
    for number in count():
        if held := take(number):
            _Current.run, _Current.held = Run(number), held
            return _Current.run
    raise AssertionError


def join(number: int, worker: str) -> None:
    """Join a run that another process has begun."""
    _Current.run = Run(number, worker)


def current() -> Run:
    """The run of this process; it begins one if there is none."""
    return _Current.run or begin()


def take(number: int) -> FileLock | None:
    """The lock of a number, held; None if a living process holds it."""
    folder = Run(number).folder
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "run.lock", blocking=False)
    try:
        lock.acquire()
    except Timeout:
        return None
    return lock


def numbers() -> list[int]:
    """All numbers that were ever taken."""
    return sorted(int(folder.name) for folder in STATE.glob("[0-9]*"))


@cache
def _machine() -> str:
    """A name that no other machine has."""
    file = STATE / "machine"
    with FileLock(STATE / "machine.lock"):
        if not file.exists():
            file.write_text(uuid.uuid4().hex)
        return file.read_text()
