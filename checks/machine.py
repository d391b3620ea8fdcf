"""What this machine, or a limit of this process, may lack while a check runs: file descriptors, memory, threads."""

from __future__ import annotations

import errno
import resource
from typing import TYPE_CHECKING

from checks.base import Cause, Diagnosis, Layer

if TYPE_CHECKING:
    from collections.abc import Iterator

NO_DESCRIPTORS = Cause(
    "run.no-descriptors",
    Layer.CONFIG,
    "this process, or the whole machine, may open no more files and connections; the check could not be made here",
    "raise the limit: ulimit -n 1024 (systemd: LimitNOFILE=1024; Docker: --ulimit nofile=1024), "
    "or for the whole machine: sysctl fs.file-max",
    blames=(),
)
NO_MEMORY = Cause(
    "run.no-memory",
    Layer.CONFIG,
    "the system gave this process no more memory, or no more threads; the check could not be made here",
    "give it 512 MiB: raise ulimit -v (address space) and ulimit -u (threads), or the memory limit and the limit of "
    "processes of its container or systemd unit",
    blames=(),
)
CAUSES = (NO_DESCRIPTORS, NO_MEMORY)


def diagnose(error: BaseException) -> Diagnosis | None:
    """What the machine lacks, wherever in the error's chain a driver has put it; None: the error is another."""
    return next(filter(None, map(_diagnose, _chain(error))), None)


def _diagnose(error: BaseException) -> Diagnosis | None:
    match error:
        case OSError(errno=errno.EMFILE):
            limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
            return NO_DESCRIPTORS.found(f"too many open files: this process may open {limit} at once (ulimit -n)")
        case OSError(errno=errno.ENFILE):
            return NO_DESCRIPTORS.found("too many open files in the whole machine")
        case MemoryError() | OSError(errno=errno.ENOMEM):
            return NO_MEMORY.found(f"out of memory: {_limit_of_memory()}")
        case RuntimeError(args=("can't start new thread", *_)):
            return NO_MEMORY.found(f"no new thread could be started: {_limit_of_memory()}")
    return None


def _limit_of_memory() -> str:
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return "the system gave no more"
    return f"this process may use {limit // 2**20} MiB of addresses (ulimit -v)"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    met: set[int] = set()
    while error is not None and id(error) not in met:
        yield error
        met.add(id(error))
        error = error.__cause__ or error.__context__
