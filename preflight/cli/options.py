"""The options of a command: their defaults, the values that they take, and the commands that there are."""

from __future__ import annotations

import argparse
import math
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from preflight import formats
from preflight.formats import Destination
from preflight.services import SERVICES

_DAY = 86_400.0  # seconds: with far more, the system's clocks would overflow
_LONGEST = 200  # characters of a pattern: to compile a very long one would take too long

_ALL = "there are"

STAGES = ("before-deploy", "live")
FAIL_LEVELS = ("fail", "warn")
SCHEMAS = ("config", "report")


class UsageError(Exception):
    """The command line, or an argument, is wrong; the message is one line."""


class Command(NamedTuple):
    """A command: what it does, its arguments as the help shows them, and how many it accepts."""

    about: str
    arguments: str = ""
    minimum: int = 0
    maximum: int = 0


COMMANDS: Mapping[str, Command] = {
    "run": Command("check the configuration, then everything it names (the default)"),
    "config": Command("check the configuration alone, offline; one file after the other", "[FILE ...]", 0, 10_000),
    "plan": Command("list what a run would check, and for which keys, offline"),
    "explain": Command("explain what a finding means and how to fix it; --list: list all findings", "ID", 0, 1),
    "diff": Command("compare two reports; exit 1 if the second is worse", "A.json B.json", 2, 2),
    "merge": Command("merge reports from several machines: one verdict for every key", "[NAME=]A.json ...", 1, 1000),
    "demo": Command("run the checks on a small deployment, made for it and removed; --break: with a fault"),
    "serve": Command("run the checks every --every seconds; serve the report's page and its metrics"),
    "watch": Command("run the checks every --every seconds; print what changed"),
    "schema": Command("print the JSON Schema of mistle.toml, for editors, or of the report", "[config|report]", 0, 1),
    "completion": Command("print the completion script for bash, zsh or fish", "SHELL", 1, 1),
}


_OWN_FLAGS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "faults": ("--break", ("demo",)),
    "keep": ("--keep", ("demo",)),
    "every": ("--every", ("serve", "watch")),
    "write": ("--write", ("serve", "watch")),
    "listen": ("--listen", ("serve",)),
    "token_file": ("--token-file", ("serve",)),
    "exit_on_change": ("--exit-on-change", ("watch",)),
}
"""The flags that only these commands have, by the field of Options."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Every flag, with its default. Times are in seconds; ``format`` holds (name, file or None)."""

    command: str = "run"
    arguments: tuple[str, ...] = ()
    program: tuple[str, ...] = ()  # and its arguments: it takes the place of a run that is ready
    config: Path | None = None
    env_file: tuple[Path, ...] = ()
    stage: str = "live"
    service: str | None = None
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    ignore_file: Path | None = None
    fail_level: str = "fail"
    timeout: float = 10.0
    deadline: float = 60.0
    wait: float = 0.0
    read_only: bool = False
    ca_file: Path | None = None
    format: tuple[Destination, ...] = (("text", None),)
    color: bool = True
    detail: int = 0
    list: bool = False
    faults: tuple[str, ...] = ()
    keep: bool = False
    every: float = 300.0
    write: bool = False
    listen: str = "127.0.0.1:9470"
    token_file: Path | None = None
    exit_on_change: bool = False
    unreported: tuple[str, ...] = ()  # not a flag: findings of the configuration that every demo has

    def with_one_file(self) -> Options:
        """``config FILE`` is ``config --config FILE``."""
        is_one = self.command == "config" and len(self.arguments) == 1
        return replace(self, config=Path(self.arguments[0]), arguments=()) if is_one else self


def from_values(**values: object) -> Options:
    """The options with these values; None stands for the default. Raises UsageError for a value that is not allowed."""
    given: dict[str, Any] = {}
    for name, value in values.items():
        try:
            given |= {} if value is None else {name: _VALUES[name](value)}
        except (argparse.ArgumentTypeError, TypeError) as error:
            raise UsageError(f"argument --{name.replace('_', '-')}: {error}") from error
    return Options(**given)


def seconds(value: object) -> float:
    """The value of --timeout and --deadline. Raises ArgumentTypeError, like the others."""
    try:
        number = float(str(value))
    except ValueError:
        number = math.nan
    if not 0 < number <= _DAY:
        raise argparse.ArgumentTypeError(f"{value!r} is not a number of seconds above zero, and of at most a day")
    return number


def pattern(text: str) -> str:
    """The value of --only and --skip."""
    if len(text) > _LONGEST:
        raise argparse.ArgumentTypeError(f"{text[:20]!r}… is longer than the name of any check, kind or key")
    return text


def did_you_mean(name: str, names: Iterable[str], all_of: str = "") -> str:
    """``suggestions.did_you_mean``, imported late: only an error needs it, and it imports the table of all keys."""
    from preflight.config import suggestions

    return suggestions.did_you_mean(name, names, all_of)


def raise_on_misuse(options: Options) -> None:
    """Raises UsageError for options that are valid one by one, but not together."""
    expected = COMMANDS.get(options.command)
    if expected is None:
        raise UsageError(f"there is no command {options.command!r}{did_you_mean(options.command, COMMANDS, _ALL)}")
    if not expected.minimum <= len(options.arguments) <= expected.maximum:
        raise UsageError(f"the command is: mistle-preflight {options.command} {expected.arguments}".rstrip())
    if options.command == "config" and options.arguments and options.config:
        raise UsageError("--config: the files of config FILE ... are the configurations")
    command, known = _printing(options), formats_of(options)
    for name, _ in options.format:
        if name not in known:
            raise UsageError(f"--format: {command} has no format {name!r}; it has: {', '.join(known)}")
    files = [file for _, file in options.format]
    if len(set(files)) < len(files):
        raise UsageError("--format: two reports for one place; give one a file, as in --format json=report.json")

    if options.program:
        _require_program(options)
    if options.command == "demo" and (options.config or options.env_file):
        flag = "--config" if options.config else "--env-file"
        raise UsageError(f"{flag}: demo makes a configuration of its own")
    for name, (flag, commands) in _OWN_FLAGS.items():
        if options.command not in commands and getattr(options, name) != getattr(Options, name):
            raise UsageError(f"{flag} is a flag of the command {' and of '.join(commands)}")


def _require_program(options: Options) -> None:
    name = options.program[0]
    if options.command != "run":
        raise UsageError(f"-- PROGRAM: {options.command} starts no program; only a run does")
    if not shutil.which(name):
        raise UsageError(f"-- PROGRAM: there is no program {name!r}, or it may not be executed")
    if any(file is None or str(file) == "/dev/stdout" for _, file in options.format):
        message = "a report on standard output would mix with the program's output; write it elsewhere, as with"
        raise UsageError(f"-- PROGRAM: {message} --format text=/dev/stderr")


def formats_of(options: Options) -> Mapping[str, str]:
    """The formats of what these options print: lists and scripts are text."""
    lists_faults = options.command == "demo" and options.list
    return formats.for_command("completion" if lists_faults else _printing(options))


def _printing(options: Options) -> str:
    """The command, or what the formats call it."""
    is_several = options.command == "config" and len(options.arguments) > 1
    return formats.SEVERAL if is_several else options.command


def _one_of(choices: tuple[str, ...]) -> Callable[[str], str]:
    def choice(text: str) -> str:
        if text not in choices:
            message = f"invalid choice: {text!r} (choose from {', '.join(map(repr, choices))})"
            raise argparse.ArgumentTypeError(message)
        return text

    return choice


def _texts(value: object) -> tuple[str, ...]:
    """One pattern or finding id needs no list."""
    return tuple(map(str, value)) if isinstance(value, Iterable) and not isinstance(value, str) else (str(value),)


_VALUES: Mapping[str, Callable[[Any], object]] = {
    "config": Path,
    "env_file": lambda value: tuple(map(Path, _texts(value))),
    "stage": _one_of(STAGES),
    "service": _one_of(SERVICES),
    "only": lambda value: tuple(map(pattern, _texts(value))),
    "skip": lambda value: tuple(map(pattern, _texts(value))),
    "ignore": _texts,
    "ignore_file": Path,
    "fail_level": _one_of(FAIL_LEVELS),
    "timeout": seconds,
    "deadline": seconds,
    "wait": seconds,
    "read_only": bool,
    "ca_file": Path,
}
