"""Makes one run at a time: the command itself, as a process whose documents come through pipes."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial

from preflight.serve.outcome import ProcessOutput

COMMAND = (sys.executable, "-P", "-m", "preflight")  # -P: no module of the working directory
_TICK = 0.05  # seconds until a call of ``end`` is noticed
_GRACE = 0.7  # seconds to clean up, after a signal: a run takes half a second
_CHUNK = 1 << 16
_LARGEST = 32 << 20  # bytes of a document: ten times the page of the largest deployment


@dataclass
class ProcessRunner:
    """``arguments`` are the flags of each run. A run that has not ended after ``seconds`` is killed.

    ``end`` may be called by a signal's handler and by another thread.
    """

    arguments: Sequence[str]
    environ: Mapping[str, str]
    seconds: float
    formats: tuple[str, ...] = ("json",)
    command: Sequence[str] = COMMAND
    is_over: bool = field(default=False, init=False)

    def end(self) -> None:
        """End the run, if there is one, and start no other."""
        self.is_over = True

    def run(self) -> ProcessOutput:
        """Make a run. The first format comes through its standard output, the others through pipes of their own."""
        started = time.monotonic()
        with ExitStack() as stack:
            process, outputs = self._start(stack)
            stack.callback(_kill, process)
            documents = self._collect(process, outputs, started)
            code = process.poll()
        _reap()
        return ProcessOutput(documents, code, time.monotonic() - started)

    def _start(self, stack: ExitStack) -> tuple[subprocess.Popen[bytes], Mapping[str, int]]:
        pipes = {name: os.pipe() for name in self.formats[1:]}
        for reader, _ in pipes.values():
            stack.callback(os.close, reader)
        writers = [writer for _, writer in pipes.values()]
        try:
            process = subprocess.Popen(  # noqa: S603 - this command itself
                [*self.command, *self.arguments, *_format_flags(self.formats[0], pipes)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                pass_fds=writers,
                env={**self.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                start_new_session=True,  # a terminal's signals are for this process, which ends the run
            )
        finally:
            for writer in writers:
                os.close(writer)
        stack.callback(process.stdout.close)  # type: ignore[union-attr]
        outputs = {self.formats[0]: process.stdout.fileno()}  # type: ignore[union-attr]
        return process, outputs | {name: reader for name, (reader, _) in pipes.items()}

    def _collect(
        self, process: subprocess.Popen[bytes], outputs: Mapping[str, int], started: float
    ) -> dict[str, bytes]:
        """Read until the process ends. Do not wait for its own children, which may hold the pipes for longer."""
        documents, ends, is_ending = {name: bytearray() for name in outputs}, started + self.seconds, False
        with selectors.DefaultSelector() as selector:
            for name, descriptor in outputs.items():
                selector.register(descriptor, selectors.EVENT_READ, documents[name])
            while time.monotonic() < ends:
                if self.is_over and not is_ending:
                    is_ending, ends = True, time.monotonic() + _GRACE
                    process.send_signal(signal.SIGTERM)
                has_ended = process.poll() is not None
                if not _read(selector) and has_ended:
                    break
        return {name: bytes(each) for name, each in documents.items() if len(each) <= _LARGEST}


def _format_flags(first: str, pipes: Mapping[str, tuple[int, int]]) -> Iterable[str]:
    return (f"--format={first}", *(f"--format={name}=/dev/fd/{writer}" for name, (_, writer) in pipes.items()))


def _read(selector: selectors.BaseSelector) -> bool:
    """Read what has arrived. Returns False if nothing has."""
    if not selector.get_map():
        time.sleep(_TICK)
        return False
    ready = selector.select(_TICK)
    for key, _ in ready:
        chunk = os.read(key.fd, _CHUNK)
        key.data.extend(chunk)
        if not chunk or len(key.data) > _LARGEST:
            selector.unregister(key.fd)
    return bool(ready)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the command. Its own child, which makes the checks, notices that, cleans up and exits."""
    with suppress(ProcessLookupError):
        process.kill()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_GRACE)


def _reap() -> None:
    """Collect the children of a killed run: process 1 of a container becomes their parent."""
    with suppress(ChildProcessError):
        for _ in iter(partial(os.waitpid, -1, os.WNOHANG), (0, 0)):
            pass
