"""How CI services treat a step's output: they obey commands in it, which no report may hold, and show a summary."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from preflight.formats import renderer

if TYPE_CHECKING:
    from preflight.report.model import Report

COMMANDS = frozenset({"github"})  # formats that are such commands; they escape a server's text
_IN_COLONS = re.compile(r"^[^\S\n]*:(?=:.*::)", re.MULTILINE)  # commands of GitHub
_IN_BRACKETS = re.compile(r"#(?=#\w*\[)")  # commands of GitHub, Azure and TeamCity


class Summary(NamedTuple):
    """A file, named by a variable, that the CI service shows with the step; its commands append to it."""

    variable: str
    format: str
    limit: int  # bytes; of a larger file the service shows nothing


SUMMARIES = {"github": Summary("GITHUB_STEP_SUMMARY", "markdown", 1 << 20)}  # by the format for that service


def inert(text: str, name: str = "") -> str:
    """The text without commands to a CI service, but for those of the format with this name."""
    without_brackets = _IN_BRACKETS.sub(r"\g<0> ", text)
    return without_brackets if name in COMMANDS else _IN_COLONS.sub(r"\g<0> ", without_brackets)


def summarize(report: Report, name: str) -> None:
    """Append to the step's summary, if this format's service has one. Raises OSError."""
    summary = SUMMARIES.get(name)
    if summary and (file := os.environ.get(summary.variable)):
        with open(file, "ab", opener=_open) as stream:
            before = b"\n" if stream.tell() else b""
            versions = (before + version for version in _versions(report, renderer(summary.format)))
            room = summary.limit - stream.tell()
            stream.write(next((version for version in versions if len(version) <= room), b""))


def _open(path: str, flags: int) -> int:
    """Without waiting for the reader of a pipe. Raises OSError for anything but a regular file."""
    descriptor = os.open(path, flags | os.O_NONBLOCK, 0o666)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, "it is not a regular file")


def _versions(report: Report, render: Callable[[Report], str]) -> Iterator[bytes]:
    """The report in three versions, the longest first: in full, the failures, the verdict."""
    yield render(report).encode(errors="replace")
    failed = render(replace(report, detail=-1)).encode(errors="replace")
    yield failed
    yield failed.partition(b"\n\n")[0] + b"\n"
