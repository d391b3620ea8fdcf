"""For the command's own process: loads drivers, moves providers, and breaks it in ways that no server can."""

import asyncio
import ctypes
import importlib
import os
import resource
import signal
import socket
import time
from collections.abc import Callable
from typing import Any

import checks
import checks.valkey
from checks.archil.regions import REGIONS
from checks.google import TOKEN

AGES = 60.0  # seconds: longer than any run of the tests
_real_look_up = socket.getaddrinfo
_looked_up: set[str] = set()


def load_drivers() -> None:
    """Import all drivers, so that a run spends its time only on what it waits for."""
    for module in (
        "cli.commands",
        "plan.plan",
        "run.runner",
        "output.writer",
        "run.consistency",
        "output.progress",
        "cli.execute",
    ):
        importlib.import_module(f"preflight.{module}")
    for kind in checks.load_all():
        for module in kind.imports:
            importlib.import_module(module)


def move_providers(host: str, port: int) -> None:
    """Point the checks of Google and Archil at this address."""
    for endpoint in (TOKEN, *REGIONS.values()):
        for name, value in (("host", host), ("port", port)):
            object.__setattr__(endpoint, name, value)


def make_names() -> None:
    """Every name below test is this machine. Look-ups of `*.stuck.test` block; of `*.late.test`, from the second on."""
    socket.getaddrinfo = _look_up


def _look_up(host: Any, *given: Any, **more: Any) -> Any:
    name = str(host)
    if name.endswith(".stuck.test") or (name.endswith(".late.test") and name in _looked_up):
        time.sleep(AGES)
    _looked_up.add(name)
    return _real_look_up("127.0.0.1" if name.endswith(".test") else host, *given, **more)


def break_valkey(seconds: float, fault: Callable[[], object]) -> None:
    """Cause this fault in the middle of the check, so many seconds after its login."""

    async def run_commands(*_: object) -> None:
        await asyncio.sleep(seconds)
        fault()

    checks.valkey.run_commands = run_commands  # type: ignore[assignment]


def hold_the_interpreter() -> None:
    """As a library in C that holds Python's lock: no other thread runs."""
    ctypes.PyDLL(None).sleep(int(AGES))


def block_the_loop() -> None:
    """As a driver that blocks although it is asynchronous."""
    time.sleep(AGES)


def crash() -> None:
    """As C code with a wrong pointer."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.kill(os.getpid(), signal.SIGSEGV)


def leave() -> None:
    """As a driver that ends the process."""
    os._exit(0)
