"""The command as a process of its own, which records when its own first line had run."""

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

ROOT = Path(__file__).parents[2]
SCHEMA = Draft202012Validator(json.loads(files("preflight").joinpath("report.schema.json").read_text()))
CLEAN = {
    "PATH": os.environ["PATH"],
    "PYTHONPATH": str(ROOT),
    "PYTHONDONTWRITEBYTECODE": "1",  # tests limit the size of files, and these must not count
}
# Enough memory for the largest merge, and more processor time than any takes.
LEAN = """
import resource
resource.setrlimit(resource.RLIMIT_DATA, (300 << 20, 300 << 20))
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
"""
# A function that takes long. A signal that comes just before a call of the system does not end that call.
HOLD = """
import os, time
def take_long(*_, **__):
    os.write(2, b"begun")
    while True:
        time.sleep(0.01)
"""
ENTRY = "from preflight.cli.main import entry; entry()"
STAMP = """
import os, time, _signal
def stamp():
    with open("/proc/thread-self/schedstat") as file:
        os.write({descriptor}, f"{{time.monotonic()}} {{time.thread_time()}} {{file.read()}}".encode())
def begin(*given):
    before, _signal.pthread_sigmask = hold(*given), hold
    stamp()
    return before
def end(code):
    stamp()
    leave(code)
hold, _signal.pthread_sigmask = _signal.pthread_sigmask, begin
leave, os._exit = os._exit, end
"""


@dataclass
class Ended:
    """A process that has ended.

    ``created``, ``began``, ``ended``, in seconds: when the process was created, when the command's own first line had
    run (None if it did not run), when the process had gone. ``slowness``: the factor by which its work took longer than
    on an idle machine, because the kernel let other processes run too.
    """

    code: int
    stdout: bytes
    stderr: bytes
    created: float
    began: float | None
    ended: float
    slowness: float

    @property
    def seconds(self) -> float:
        """From the command's first line to its exit."""
        assert self.began is not None, self
        return self.ended - self.began

    @cached_property
    def document(self) -> dict[str, Any]:
        """The JSON document on standard output, validated by the schema."""
        document: dict[str, Any] = json.loads(self.stdout)
        SCHEMA.validate(document)
        return document


class Command:
    """A command that runs. ``code`` runs first and may break something; ``streams`` are those of Popen."""

    def __init__(self, *arguments: str, env: Mapping[str, str] = {}, code: str = "", **streams: Any) -> None:
        self.stamp, descriptor = os.pipe()
        program = "\n".join((STAMP.format(descriptor=descriptor), code, ENTRY))
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
        command = [sys.executable, "-c", program, *arguments]
        self.created = time.monotonic()
        self.process = subprocess.Popen(command, env=CLEAN | dict(env), pass_fds=[descriptor], **pipes)
        os.close(descriptor)

    def wait_for(self, text: bytes) -> None:
        """Read this text from its standard error; ``end`` then does not return it."""
        assert self.process.stderr
        assert self.process.stderr.read(len(text)) == text

    def signal(self, number: int) -> None:
        """Send a signal, if the process still runs."""
        self.process.send_signal(number)

    def end(self, limit: float = 300.0) -> Ended:
        """Wait for the end of the process, at most ``limit`` seconds."""
        try:
            stdout, stderr = self.process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise
        ended = time.monotonic()
        with os.fdopen(self.stamp) as stamps:
            began, slowness = _read(stamps.read())
        return Ended(self.process.returncode, stdout, stderr, self.created, began, ended, slowness)


def run(*arguments: str, env: Mapping[str, str] = {}, code: str = "", **streams: Any) -> Ended:
    """Run the command to its end."""
    return Command(*arguments, env=env, code=code, **streams).end()


@contextmanager
def unread_pipe() -> Iterator[tuple[int, int]]:
    """Both ends of a pipe that holds less than a report."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    yield reader, writer
    os.close(reader)


def _read(stamps: str) -> tuple[float | None, float]:
    """When it began; and its time of work and waiting, divided by its processor time."""
    moments = [[float(number) for number in line.split()] for line in stamps.splitlines()]
    if not moments:
        return None, 1.0
    (began, busy, _, waited, _), (_, busy_then, _, waited_then, _) = moments[0], moments[-1]
    worked = busy_then - busy
    return began, 1 + (waited_then - waited) / 1e9 / worked if worked else 1.0


def keys(document: Mapping[str, Any]) -> list[str]:
    """The keys of all verdicts."""
    return [verdict["key"] for verdict in document["keys"]]


def checks(document: Mapping[str, Any]) -> list[str]:
    """The names of all checks."""
    return [check["name"] for check in document["checks"]]


def ids(document: Mapping[str, Any]) -> set[str]:
    """The ids of all findings."""
    return {finding["id"] for check in document["checks"] for finding in check["findings"]}
