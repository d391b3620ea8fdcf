"""What the command requires of its process, and changes in it. The library leaves the process of its caller alone."""

from __future__ import annotations

import ctypes
import os
import resource
import sys
import warnings
from contextlib import suppress

from checks.core import isolation

_M_ARENA_MAX = -8  # malloc.h
_LEAST = 64  # MiB of addresses: the command without any check takes 40
_FILES = 8192  # descriptors: more than any run needs


def prepare() -> None:
    """Remove what could change how packages work, before the first of them is imported.

    Raises SystemExit (2) if the process may use too little memory for any report.
    """
    _require_memory()
    isolation.take(os.environ)
    warnings.resetwarnings()  # PYTHONWARNINGS=error would make each an exception
    warnings.simplefilter("ignore")
    _limit()
    _share_memory()


def _require_memory() -> None:
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit != resource.RLIM_INFINITY and limit < _LEAST * 2**20:
        message = f"this process may use {limit // 2**20} MiB of addresses (ulimit -v); the command needs {_LEAST} MiB"
        sys.stderr.write(f"mistle-preflight: {message}\n")
        sys.exit(2)


def _limit() -> None:
    """No core dump, which would hold every secret; as many file descriptors as the caller allows."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = hard == resource.RLIM_INFINITY
    with suppress(ValueError, OSError):  # the system's own limit is lower
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, _FILES if unlimited else min(hard, _FILES)), hard))


def _share_memory() -> None:
    """All threads use one heap: glibc would reserve 64 MiB for each thread, and ``ulimit -v`` counts them."""
    with suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
