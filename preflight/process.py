"""What the command changes in its own process. The library leaves its host's alone."""

from __future__ import annotations

import resource
import warnings
from contextlib import suppress

_FILES = 8192  # descriptors: more than any run needs


def limit() -> None:
    """No core dump, which would hold every secret; as many descriptors as the caller allows; no warnings of drivers."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = hard == resource.RLIM_INFINITY
    with suppress(ValueError, OSError):  # the system has a limit of its own
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, _FILES if unlimited else min(hard, _FILES)), hard))
    warnings.resetwarnings()  # PYTHONWARNINGS=error would make each an exception
    warnings.simplefilter("ignore")
