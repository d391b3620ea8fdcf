"""What the command changes in its own process. The library leaves its host's alone."""

from __future__ import annotations

import os
import resource
import warnings
from contextlib import suppress

from checks.core import isolation

_FILES = 8192  # descriptors: more than any run needs


def prepare() -> None:
    """Nothing of the caller's changes what packages do, before the first of them is imported."""
    isolation.take(os.environ)
    warnings.resetwarnings()  # PYTHONWARNINGS=error would make each an exception
    warnings.simplefilter("ignore")
    _limit()


def _limit() -> None:
    """No core dump, which would hold every secret; as many descriptors as the caller allows."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = hard == resource.RLIM_INFINITY
    with suppress(ValueError, OSError):  # the system has a limit of its own
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, _FILES if unlimited else min(hard, _FILES)), hard))
