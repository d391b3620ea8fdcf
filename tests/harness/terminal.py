"""A terminal on which a program runs: its screen as the user sees it, and everything that the program drew."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyte

ROOT = Path(__file__).parents[2]
Watch = Callable[["Terminal", "subprocess.Popen[bytes]"], object]


@dataclass
class Terminal:
    """``pictures`` are the different screens, each as lines; ``drawn`` is every byte that was written."""

    columns: int
    lines: int
    screen: pyte.Screen = field(init=False)
    pictures: list[list[str]] = field(default_factory=list)
    drawn: bytes = b""
    code: int | None = None

    def __post_init__(self) -> None:
        self.screen = pyte.HistoryScreen(self.columns, self.lines, history=10_000, ratio=1.0)
        self._stream = pyte.ByteStream(self.screen)

    @property
    def text(self) -> list[str]:
        """The lines on the screen, after those that scrolled away."""
        history = ["".join(cell.data for _, cell in sorted(line.items())).rstrip() for line in self.screen.history.top]
        return history + self._shown()

    def feed(self, part: bytes) -> None:
        self.drawn += part
        self._stream.feed(part)
        if not self.pictures or self.pictures[-1] != self._shown():
            self.pictures.append(self._shown())

    def _shown(self) -> list[str]:
        return [line.rstrip() for line in self.screen.display]


def run(
    *arguments: str,
    env: Mapping[str, str] | None = None,
    columns: int = 100,
    lines: int = 40,
    signal: int | None = None,
    after: float = 0.8,
) -> Terminal:
    """Run the command to its end on a terminal of this size; ``signal`` is sent ``after`` seconds of output."""
    terminal, (master, slave) = Terminal(columns, lines), pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    clean = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "LANG": "C.UTF-8"}
    command = [sys.executable, "-m", "preflight.cli.main", *arguments]
    with subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=clean | dict(env or {})) as process:
        os.close(slave)
        started = 0.0
        for part in _parts(master):
            terminal.feed(part)
            started = started or time.monotonic()
            if signal and time.monotonic() - started > after:
                process.send_signal(signal)
                signal = None
        terminal.code = process.wait(10)
    os.close(master)
    return terminal


def _parts(master: int) -> Iterator[bytes]:
    try:
        while part := os.read(master, 65536):
            yield part
    except OSError:  # Linux raises this at the end
        return
