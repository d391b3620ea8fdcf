"""What this machine or this process may run out of while checks run: file descriptors, memory, threads."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterator
from pathlib import Path

from checks.core.finding import Diagnosis, Layer, causes_in, permanent

NO_DESCRIPTORS = permanent(
    "run.no-descriptors",
    Layer.CONFIG,
    "this process, or the whole machine, may open no more files and connections; the check could not run here",
    "raise the limit: ulimit -n 1024 (systemd: LimitNOFILE=1024; Docker: --ulimit nofile=1024), "
    "or for the whole machine: sysctl fs.file-max",
    blames=(),
)
NO_MEMORY = permanent(
    "run.no-memory",
    Layer.CONFIG,
    "the system gave this process no more memory, or no more threads; the check could not run here",
    "give it 512 MiB: raise ulimit -v (address space) and ulimit -u (threads), or the memory limit and the limit of "
    "processes of its container or systemd unit",
    blames=(),
)
# Errors of the system's loader for a library that exists.
_LOADER_ERRORS = ("failed to map segment", "annot allocate memory", "cannot create shared object descriptor")
CAUSES = causes_in(globals())

_MIN_MEMORY = 256  # MiB of address space: all drivers and all checks together take 200
_PER_CHECK = 8  # descriptors that a check and its driver have open at once


def concurrent_checks() -> int:
    """How many checks can run at once with the descriptors that this process may still open; at least one."""
    try:
        used = sum(1 for _ in Path("/dev/fd").iterdir())
    except OSError:  # no descriptor is left
        return 1
    return max(1, (resource.getrlimit(resource.RLIMIT_NOFILE)[0] - used) // _PER_CHECK)


def require_descriptor() -> None:
    """Raises OSError if no descriptor is left. Many C libraries do not report that."""
    os.close(os.open(os.devnull, os.O_RDONLY))


def never_started(when: str) -> Diagnosis:
    """The diagnosis of a check that still waited for descriptors when the run ended; ``when``: how it ended."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    few = f"this process may open {limit} files and connections at once (ulimit -n), too few for all checks at once"
    return NO_DESCRIPTORS.diagnosis(f"{few}; this one was {when}")


def diagnose(error: BaseException) -> Diagnosis | None:
    """What the machine lacks, wherever the error is in the chain of causes; None for any other error."""
    return next(filter(None, map(_diagnose, _chain(error))), None)


def too_little_memory() -> Diagnosis | None:
    """Whether this process may use less memory than a run takes: libraries would then fail in many ways."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY or limit >= _MIN_MEMORY * 2**20:
        return None
    return NO_MEMORY.diagnosis(f"{_memory_limit()}; the checks need {_MIN_MEMORY} MiB")


def _diagnose(error: BaseException) -> Diagnosis | None:
    match error:
        case OSError(errno=errno.EMFILE):
            limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
            return NO_DESCRIPTORS.diagnosis(f"too many open files: this process may open {limit} at once (ulimit -n)")
        case OSError(errno=errno.ENFILE):
            return NO_DESCRIPTORS.diagnosis("too many open files in the whole machine")
        case MemoryError() | OSError(errno=errno.ENOMEM):
            return NO_MEMORY.diagnosis(f"out of memory: {_memory_limit()}")
        case RuntimeError(args=(str(message), *_)) if message.startswith(("can't start new ", "can't allocate ")):
            return NO_MEMORY.diagnosis(f"{message}: {_memory_limit()}")
        case ImportError() if any(text in str(error) for text in _LOADER_ERRORS):
            return NO_MEMORY.diagnosis(f"a library could not be loaded: {_memory_limit()}")
    return None


def _memory_limit() -> str:
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return "the system gave no more"
    return f"this process may use {limit // 2**20} MiB of addresses (ulimit -v)"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """As ``chain.chain``, but past bugs too: without memory, code that handles an error may raise any other error."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        yield error
        seen.add(id(error))
        error = error.__cause__ or error.__context__
