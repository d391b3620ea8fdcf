"""Settings of the Python interpreter that each process of the command makes."""

import gc
import resource
import sys
import threading
from contextlib import suppress

_M_ARENA_MAX = -8  # malloc.h


def prepare() -> None:
    """Prepare this Python for a run: all threads share one heap, and garbage is collected more rarely.

    An error in an abandoned thread or object is not printed: its message may hold a secret.
    """
    sys.unraisablehook = threading.excepthook = _print_nothing
    _share_memory()
    gc.set_threshold(50_000)  # the imports alone would start it a hundred times: a twentieth of a run


def _share_memory() -> None:
    """All threads use one heap: glibc would reserve 64 MiB for each thread, and ``ulimit -v`` counts them."""
    if resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY:
        return
    import ctypes  # 3 ms, and few processes have this limit

    with suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def _print_nothing(_: object) -> None:
    pass
