"""What a CI service makes of its steps' output: commands to itself, which no report may hold, and a summary."""

from __future__ import annotations

import errno
import os
import re
import stat
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from preflight.formats import renderer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from preflight.report.model import Report

COMMANDS = frozenset({"github"})  # formats that are such commands; they escape what a server said
_IN_COLONS = re.compile(r"^[^\S\n]*:(?=:.*::)", re.MULTILINE)  # of GitHub
_IN_BRACKETS = re.compile(r"#(?=#\w*\[)")  # of GitHub, Azure and TeamCity


class Summary(NamedTuple):
    """A file, named by a variable, that a CI service shows with the step, and to which all its commands may add."""

    variable: str
    format: str
    limit: int  # bytes; of a larger file nothing is shown


SUMMARIES = {"github": Summary("GITHUB_STEP_SUMMARY", "markdown", 1 << 20)}  # by the format that brings one along


def inert(text: str, name: str = "") -> str:
    """The text, in whose lines no CI service finds a command to itself but those that are the format of this name."""
    broken = _IN_BRACKETS.sub(r"\g<0> ", text)
    return broken if name in COMMANDS else _IN_COLONS.sub(r"\g<0> ", broken)


def summarize(report: Report, name: str) -> None:
    """Add to the step's summary, if this format brings one along and the service has one. Raises OSError."""
    summary = SUMMARIES.get(name)
    if summary and (file := os.environ.get(summary.variable)):
        with open(file, "ab", opener=_at_once) as stream:
            before = b"\n" if stream.tell() else b""
            versions = (before + version for version in _versions(report, renderer(summary.format)))
            room = summary.limit - stream.tell()
            stream.write(next((version for version in versions if len(version) <= room), b""))


def _at_once(path: str, flags: int) -> int:
    """A pipe in the file's place is not waited for."""
    descriptor = os.open(path, flags | os.O_NONBLOCK, 0o666)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, "it is not a regular file")


def _versions(report: Report, render: Callable[[Report], str]) -> Iterator[bytes]:
    """The report, what failed, the verdict alone."""
    yield render(report).encode(errors="replace")
    failed = render(replace(report, detail=-1)).encode(errors="replace")
    yield failed
    yield failed.partition(b"\n\n")[0] + b"\n"
