"""The two ways to run the checks repeatedly: behind a server, and on standard output."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING

from preflight.serve.changes import History

if TYPE_CHECKING:
    from preflight.run.signals import Signals
    from preflight.serve.listening import ServerSocket
    from preflight.serve.outcome import Outcome
    from preflight.serve.schedule import Schedule

PACKAGES = ("starlette", "uvicorn")
_END = 0.85  # seconds from a signal to the end


def missing() -> tuple[str, ...]:
    """The packages that the server needs, and that are not installed."""
    return tuple(name for name in PACKAGES if not find_spec(name))


def serve(schedule: Schedule, server_socket: ServerSocket, signals: Signals, log: Callable[[str], object]) -> None:
    """Serve until a signal comes. ``log`` gets a line for each change."""
    from preflight.serve.access import AccessControl
    from preflight.serve.application import application
    from preflight.serve.listening import server
    from preflight.serve.state import ServedState

    state = ServedState(schedule)

    def run() -> None:
        for outcome in schedule.outcomes():
            for line in state.add(outcome).texts:
                log(line)

    runs = threading.Thread(target=run, daemon=True)
    answering = server(AccessControl(application(state, runs.is_alive), server_socket.token, server_socket.host))
    ends: list[float] = []

    def end(_: int) -> None:
        ends.append(time.monotonic() + _END)
        answering.should_exit = True
        schedule.end()

    with signals.passed_to(end):
        runs.start()
        answering.run([server_socket.listener])
        runs.join(max(0.0, min(ends, default=0.0) - time.monotonic()))


def watch(schedule: Schedule, signals: Signals, log: Callable[[str], object], *, exit_on_change: bool) -> int | None:
    """Print what changes until a signal comes; then return None.

    With ``exit_on_change``, end at the first change, and return the exit code of that run.
    """
    history = History()
    with signals.passed_to(lambda _: schedule.end()):
        for outcome in schedule.outcomes():
            is_first = history.last is None
            if _logged(history, outcome, log) and exit_on_change and not is_first:
                return outcome.code
    return None


def _logged(history: History, outcome: Outcome, log: Callable[[str], object]) -> bool:
    """Log the changes of a run. Returns whether there were any."""
    texts = history.add(outcome).texts
    for text in texts:
        log(text)
    return bool(texts)
