"""A limit on the processor for a process and its children, as a container has it (CFS quota)."""

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_V1, _V2 = Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup")
_PERIOD = 100_000  # microseconds


def can_limit() -> bool:
    """Whether this process may limit others: root with cgroups only."""
    with suppress(OSError), quota(0.5):
        return True
    return False


@contextmanager
def quota(share: float) -> Iterator[Callable[[], None]]:
    """A function to call in the new process (preexec_fn): from then on it has this share of one core."""
    group = (_V1 if _V1.is_dir() else _V2) / f"preflight-test-{uuid.uuid4().hex[:8]}"
    group.mkdir()
    try:
        for name, value in _settings(int(share * _PERIOD)).items():
            (group / name).write_text(value, encoding="ascii")
        yield lambda: _enter(group)
    finally:
        group.rmdir()


def _settings(limit: int) -> dict[str, str]:
    if _V1.is_dir():
        return {"cpu.cfs_period_us": str(_PERIOD), "cpu.cfs_quota_us": str(limit)}
    return {"cpu.max": f"{limit} {_PERIOD}"}


def _enter(group: Path) -> None:
    (group / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")
