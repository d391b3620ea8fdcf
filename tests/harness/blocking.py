"""For the command's own process: drivers that are loaded, providers that are moved, and what no server can do to it."""

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
_known: set[str] = set()


def load_drivers() -> None:
    """So that a run's time is spent on what it waits for."""
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
    """Google and Archil are there."""
    for endpoint in (TOKEN, *REGIONS.values()):
        for name, value in (("host", host), ("port", port)):
            object.__setattr__(endpoint, name, value)


def make_names() -> None:
    """Every name below test is this machine; `*.stuck.test` is never found out, `*.late.test` only the first time."""
    socket.getaddrinfo = _look_up


def _look_up(host: Any, *given: Any, **more: Any) -> Any:
    name = str(host)
    if name.endswith(".stuck.test") or (name.endswith(".late.test") and name in _known):
        time.sleep(AGES)
    _known.add(name)
    return _real_look_up("127.0.0.1" if name.endswith(".test") else host, *given, **more)


def break_valkey(seconds: float, fault: Callable[[], object]) -> None:
    """So long after its login this happens, in the middle of its check."""

    async def run_commands(*_: object) -> None:
        await asyncio.sleep(seconds)
        fault()

    checks.valkey.run_commands = run_commands  # type: ignore[assignment]


def hold_the_interpreter() -> None:
    """As a library in C does that keeps Python's lock: no other thread runs until it returns."""
    ctypes.PyDLL(None).sleep(int(AGES))


def block_the_loop() -> None:
    """As a driver does that blocks in an asynchronous function."""
    time.sleep(AGES)


def crash() -> None:
    """As C code does with a wrong pointer."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.kill(os.getpid(), signal.SIGSEGV)


def leave() -> None:
    """As a driver does that takes the process for its own."""
    os._exit(0)
