"""Starts server programs, each in a process group of its own, and ends them all."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_GRACE = 2.0  # seconds that a program has to end by itself


class DemoError(Exception):
    """The demo cannot be started, and why."""


@dataclass
class Processes:
    """The programs that are running. As root they run as ``nobody``: Postgres refuses to run as root."""

    folder: Path
    _running: list[subprocess.Popen[bytes]] = field(default_factory=list)

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

    def run(self, *command: object, **options: Any) -> None:
        """Run a program to its end. Raises DemoError with its last line when it fails, PermissionError."""
        done = subprocess.run([*map(str, command)], capture_output=True, check=False, **self._options(options))
        if done.returncode:
            last = (done.stderr or done.stdout).decode(errors="replace").strip().rpartition("\n")[2]
            raise DemoError(f"{Path(str(command[0])).name} failed: {last}")

    def start(self, *command: object, log: str, **options: Any) -> subprocess.Popen[bytes]:
        """Start a program that runs until ``stop``; its output goes to the file ``log`` of the folder."""
        with (self.folder / log).open("wb") as output:
            process = subprocess.Popen(
                [*map(str, command)], stdout=output, stderr=output, start_new_session=True, **self._options(options)
            )
        self._running.append(process)
        return process

    def stop(self) -> None:
        """End every program: Postgres removes its shared memory only when it is asked to end."""
        for process in self._running:
            _signal(process, signal.SIGQUIT if process.args[0].endswith("postgres") else signal.SIGTERM)  # type: ignore[index,union-attr]
        for process in self._running:
            with suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE)
            _signal(process, signal.SIGKILL)
            process.wait()

    def _options(self, options: dict[str, Any]) -> dict[str, Any]:
        environ = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
        return {"stdin": subprocess.DEVNULL, "cwd": "/", "env": environ, **self.account, **options}


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
