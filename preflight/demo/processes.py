"""Starts server programs, each in a process group of its own, and ends them all."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, TypeVar

from preflight.demo.ports import free_port

Server = TypeVar("Server")
_PORTS = 3  # ports that are tried
_GRACE = 2.0  # seconds that a program has to end by itself


class DemoError(Exception):
    """The demo cannot be started; the message is the reason."""


@dataclass
class Processes:
    """The programs that are running. As root they run as ``nobody``: Postgres refuses to run as root."""

    folder: Path
    _running: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _is_over: bool = False

    @property
    def account(self) -> dict[str, Any]:
        """Arguments of Popen: the user that programs run as."""
        if os.geteuid():
            return {}
        nobody = pwd.getpwnam("nobody")
        return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}

    def own(self, path: Path) -> None:
        """Give a path in the demo's folder to the user that programs run as."""
        if account := self.account:
            os.chown(path, account["user"], account["group"])

    def executable(self, program: Path) -> Path:
        """``program``, or a copy of its whole installation where that user may not enter its folder."""
        try:
            self.run(program, "--version")
        except PermissionError:
            copy = self.folder / program.parents[1].name
            if not copy.exists():
                shutil.copytree(program.parents[1], copy, symlinks=True)
            return copy / program.parent.name / program.name
        return program

    def on_free_port(self, start: Callable[[int], Server]) -> Server:
        """Start a server on a free port; on another one if a program takes it first. Raises DemoError."""
        for _ in range(_PORTS - 1):
            try:
                return start(free_port())
            except DemoError:
                if self._is_over:
                    raise
        return start(free_port())

    def run(self, *command: object) -> None:
        """Run a program to its end. Raises DemoError with its last line when it fails, PermissionError."""
        process = self._start(*command, output=subprocess.PIPE)
        output, _ = process.communicate()
        with self._lock:
            self._running.remove(process)
        if process.returncode:
            last = output.decode(errors="replace").strip().rpartition("\n")[2]
            raise DemoError(f"{Path(str(command[0])).name} failed: {last}")

    def start(self, *command: object, log: str) -> subprocess.Popen[bytes]:
        """Start a program that runs until ``stop``; its output goes to the file ``log`` of the folder."""
        with (self.folder / log).open("wb") as output:
            return self._start(*command, output=output)

    def stop(self) -> None:
        """End every program. Postgres removes its shared memory at SIGQUIT, and ends at once; Valkey just ends."""
        with self._lock:
            self._is_over, running = True, [*self._running]
        for process in running:
            _signal(process, signal.SIGQUIT)
        for process in running:
            with suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE)
            _signal(process, signal.SIGKILL)
            process.wait()

    def _start(self, *command: object, output: IO[bytes] | int) -> subprocess.Popen[bytes]:
        """Start nothing after ``stop`` has begun: it would not be stopped."""
        environ = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
        with self._lock:
            if self._is_over:
                raise DemoError("the demo is ending")
            process = subprocess.Popen(
                [*map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output if output != subprocess.PIPE else subprocess.STDOUT,
                cwd=self.folder,
                env=environ,
                start_new_session=True,
                **self.account,
            )
            self._running.append(process)
        return process


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def wait_until_ready(
    name: str, process: subprocess.Popen[bytes], use: Callable[[], object], error: type[Exception], seconds: float
) -> None:
    """Return when ``use`` raises ``error`` no more. Raises DemoError if the process has ended, or after ``seconds``."""
    ends = time.monotonic() + seconds
    while True:
        try:
            use()
            return
        except error as reason:
            if process.poll() is not None or time.monotonic() > ends:
                raise DemoError(f"{name} does not start: {reason}") from reason
            time.sleep(0.02)
