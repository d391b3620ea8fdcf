"""The saved reports that the arguments of diff and merge name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from preflight.cli.options import UsageError

if TYPE_CHECKING:
    from preflight.cli.invocation import Invocation
    from preflight.saved.reader import SavedReport


def read_named(invocation: Invocation, argument: str) -> SavedReport:
    """A report and its name: the one in the argument, else its service, else its file name."""
    name, equals, file = argument.partition("=")
    if not equals or Path(argument).exists():
        name, file = "", argument
    saved = read(invocation, Path(file), name)
    return saved if name else replace(saved, name=saved.service or saved.name.removesuffix(".json"))


def read(invocation: Invocation, file: Path, name: str = "") -> SavedReport:
    """The report in a file; ``name``: what merge calls it. Raises UsageError."""
    from preflight.saved import reader

    try:
        return reader.read(file, name, invocation.seconds_for_file)
    except reader.SavedReportError as error:
        raise UsageError(str(error)) from error
