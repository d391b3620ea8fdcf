"""The causes of findings about the run itself: a failed start, a limit, a signal, a bug."""

from __future__ import annotations

import signal

from checks.core import machine
from checks.core.finding import Cause, Diagnosis, Layer, Status, causes_in, permanent, temporary

UNREADABLE = permanent(
    "config.unreadable",
    Layer.CONFIG,
    "the configuration could not be read, or is not TOML; nothing was checked (exit code 2)",
    "name a readable TOML file with --config or MISTLE_CONFIG_PATH",
    blames=(),
)
EXTRA_CA_UNREADABLE = permanent(
    "config.extra-ca-unreadable",
    Layer.CONFIG,
    "NODE_EXTRA_CA_CERTS names a file that holds no readable certificates; Node.js, and so Mistle, goes on without it",
    "set NODE_EXTRA_CA_CERTS to a readable PEM file, for Mistle too, or unset it",
    blames=(),
    status=Status.WARN,
)
USAGE = permanent(
    "run.usage",
    Layer.CONFIG,
    "the command line cannot be understood; nothing was checked (exit code 2)",
    "see mistle-preflight --help",
    blames=(),
)
IGNORE_EXPIRED = permanent(
    "run.ignore-expired",
    Layer.CONFIG,
    "the last day of a line of --ignore-file is over: what it names counts again",
    "correct what the line names, and remove the line; or give it another last day",
    blames=(),
    status=Status.WARN,
)
TIMEOUT = temporary(
    "run.timeout",
    Layer.CONFIG,
    "the check did not end within --timeout, at a layer that has no better explanation",
    "look at the server of {blamed}; give the check more time with --timeout",
)
DEADLINE = permanent(
    "run.deadline",
    Layer.CONFIG,
    "the run's --deadline ended the check; the layers that it had not reached by then are not proven",
    "give the run more time with --deadline, or each check less with --timeout",
)
STARVED = permanent(
    "run.starved",
    Layer.CONFIG,
    "this process got so little of the processor that its own delay was longer than that of the servers; "
    "checks that it did not end by --deadline are skipped, and then the run is not ready",
    "give it half a processor core: raise the CPU limit of its container (Kubernetes: resources.limits.cpu 500m; "
    "Docker: --cpus 0.5; systemd: CPUQuota=50%), or run it where there is less load; or raise --deadline",
    blames=(),
)
INTERRUPTED = Cause(
    "run.interrupted",
    Layer.CONFIG,
    "SIGINT or SIGTERM ended the run before the check's end (exit code 130 or 143)",
    "run it again to the end",
    status=Status.SKIP,
)
CAME_UP = Cause(
    "run.came-up",
    Layer.CONFIG,
    "with --wait, the check failed at first, and passed when it was tried again",
    blames=(),
    status=Status.OK,
)
NO_DESCRIPTORS, NO_MEMORY = machine.CAUSES
OTHER_PACKAGE = permanent(
    "run.other-package",
    Layer.CONFIG,
    "a package that mistle-preflight needs is installed in a version that it does not support, and a check failed",
    "install mistle-preflight into an environment of its own (pipx, uv tool, its container image), "
    "or remove that place from PYTHONPATH",
    blames=(),
)
BUG = permanent(
    "internal.bug",
    Layer.CONFIG,
    "mistle-preflight itself failed; the result of the check is unknown (exit code 3)",
    "run it again with -v, which prints the traceback (without secrets), and report it",
    blames=(),
)
CAUSES = causes_in(globals())

_OF_MACHINE = frozenset(cause.id for cause in (*machine.CAUSES, OTHER_PACKAGE))  # they are not about a server
ON_OPEN_LAYER = frozenset({TIMEOUT.id, DEADLINE.id, STARVED.id, INTERRUPTED.id, BUG.id}) | _OF_MACHINE
NOT_STARTED = frozenset({USAGE.id, UNREADABLE.id})
CUT_SHORT = frozenset({STARVED.id, INTERRUPTED.id, BUG.id}) | _OF_MACHINE
EXIT_CODES = {BUG.id: 3, USAGE.id: 2, UNREADABLE.id: 2}


def too_late(deadline: float) -> Diagnosis:
    """The reason of checks that the deadline (in seconds) ended."""
    return DEADLINE.diagnosis(f"not done when the run's deadline of {deadline:g} s came")


def interrupted() -> Diagnosis:
    """The reason of checks that a signal ended."""
    return INTERRUPTED.diagnosis("the run was interrupted before this was done")


def died(code: int | None) -> Diagnosis:
    """The reason of checks whose process died. ``code``: its exit code, negative for a signal; None if unknown."""
    if code == -signal.SIGKILL:
        killed = "the process that made the checks was killed, as the system does when memory runs out"
        return NO_MEMORY.diagnosis(killed)
    how = "for an unknown reason" if code is None else f"exit code {code}" if code >= 0 else signal.strsignal(-code)
    return BUG.diagnosis(f"the process that made the checks died: {how}")
