"""The options and the surroundings of one command, and how much time it has left."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

from checks.core.finding import Status
from checks.core.text import clean
from preflight.config.loader import is_standard_input
from preflight.config.origin import InVariable
from preflight.config.sources.toml_file import STANDARD_INPUT
from preflight.output.workspace import in_repository
from preflight.output.writer import write_stderr
from preflight.run.signals import Signals

if TYPE_CHECKING:
    from preflight.cli.options import Options

_MOMENT = 0.3  # seconds


@dataclass(frozen=True)
class Invocation:
    """The options, and what the caller's process gives to the command. Times are in seconds."""

    options: Options
    signals: Signals = field(default_factory=Signals)
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    terminal: TextIO | None = None  # progress is drawn there, if it is a terminal
    in_child: bool = False  # whether the checks run in a process of their own
    lines: Mapping[str, InVariable] = field(default_factory=dict)  # where files hold variables
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    _started: float = field(default_factory=time.perf_counter)

    @property
    def source(self) -> str:
        """Where the configuration comes from."""
        if is_standard_input(self.options.config):
            return STANDARD_INPUT
        return clean(self._file, 300) or "environment"

    @property
    def file_in_repository(self) -> str | None:
        """The path of the configuration's file in its repository; None if it is not in a file."""
        if is_standard_input(self.options.config) or not self._file:
            return None
        return clean(in_repository(self._file, self.environ), 1000)

    @property
    def _file(self) -> str:
        return str(self.options.config or self.environ.get("MISTLE_CONFIG_PATH", ""))

    @property
    def fail_level(self) -> Status:
        """The lowest status that makes a run not ready."""
        return Status[self.options.fail_level.upper()]

    @property
    def detail(self) -> int:
        """A plan shows every layer unless -q is given: it has nothing else to show."""
        return self.options.detail or int(self.options.command == "plan")

    def progress(self, text: str) -> None:
        """Print what a command does before its checks, if its standard error is a terminal."""
        if self.terminal and self.terminal.isatty():
            write_stderr(text)

    @property
    def seconds(self) -> float:
        """The time since the start."""
        return round(time.perf_counter() - self._started, 4)

    @property
    def seconds_left(self) -> float:
        """The time until the deadline, in which reports must be written; at least a moment."""
        return max(_MOMENT, self.options.deadline - self.seconds)

    @property
    def seconds_for_file(self) -> float:
        """The time that reading a file may take: as much as a check, within the deadline; at least a moment."""
        return max(_MOMENT, min(self.options.timeout, self.seconds_left))
