"""What this machine, or a limit of this process, may lack while a check runs: file descriptors, memory, threads."""

from __future__ import annotations

import errno
import os
import resource
from pathlib import Path
from typing import TYPE_CHECKING

from checks.core.check import Cause, Diagnosis, Layer, causes_in

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
# What the system's loader says of a library that is there.
_OF_THE_LOADER = ("failed to map segment", "annot allocate memory", "cannot create shared object descriptor")

CAUSES = causes_in(globals())


_LEAST = 256  # MiB of addresses: all drivers and all checks at once take 200
_EACH = 8  # descriptors: a check has open at once, with what its driver opens


def turns() -> int:
    """How many checks can be made at once with the descriptors that this process may still open; at least one."""
    try:
        used = sum(1 for _ in Path("/dev/fd").iterdir())
    except OSError:  # not one is left
        return 1
    return max(1, (resource.getrlimit(resource.RLIMIT_NOFILE)[0] - used) // _EACH)


def spare() -> None:
    """Raises OSError where no descriptor is left. Many C libraries do not say so."""
    os.close(os.open(os.devnull, os.O_RDONLY))


def waited(when: str) -> Diagnosis:
    """What a check lacked that had no turn until ``when``."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    few = f"this process may open {limit} files and connections at once (ulimit -n), too few to make all checks at once"
    return NO_DESCRIPTORS.diagnosis(f"{few}; this one was {when}")


def diagnose(error: BaseException) -> Diagnosis | None:
    """What the machine lacks, wherever in the error's chain a driver has put it; None: the error is another."""
    return next(filter(None, map(_diagnose, _chain(error))), None)


def too_small() -> Diagnosis | None:
    """Whether this process may use less memory than a run takes: then libraries fail in ways of their own."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY or limit >= _LEAST * 2**20:
        return None
    return NO_MEMORY.diagnosis(f"{_limit_of_memory()}; the checks need {_LEAST} MiB")


def _diagnose(error: BaseException) -> Diagnosis | None:
    match error:
        case OSError(errno=errno.EMFILE):
            limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
            return NO_DESCRIPTORS.diagnosis(f"too many open files: this process may open {limit} at once (ulimit -n)")
        case OSError(errno=errno.ENFILE):
            return NO_DESCRIPTORS.diagnosis("too many open files in the whole machine")
        case MemoryError() | OSError(errno=errno.ENOMEM):
            return NO_MEMORY.diagnosis(f"out of memory: {_limit_of_memory()}")
        case RuntimeError(args=(str(words), *_)) if words.startswith(("can't start new ", "can't allocate ")):
            return NO_MEMORY.diagnosis(f"{words}: {_limit_of_memory()}")
        case ImportError() if any(words in str(error) for words in _OF_THE_LOADER):
            return NO_MEMORY.diagnosis(f"a library could not be loaded: {_limit_of_memory()}")
    return None


def _limit_of_memory() -> str:
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return "the system gave no more"
    return f"this process may use {limit // 2**20} MiB of addresses (ulimit -v)"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Also through bugs, unlike ``chain.chain``: where memory ends, an error of any class is raised on the way."""
    met: set[int] = set()
    while error is not None and id(error) not in met:
        yield error
        met.add(id(error))
        error = error.__cause__ or error.__context__
