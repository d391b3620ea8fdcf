"""The file that --ignore-file names: findings that do not count until a date, each with the reason.

A line is ``ID UNTIL REASON`` or ``ID@CHECK UNTIL REASON``; the date is the last day, in UTC. ``#`` begins a comment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from checks.core import files
from checks.core.finding import Diagnosis
from checks.core.text import clean, foreign
from preflight.cli.inputs import ids
from preflight.cli.options import UsageError
from preflight.report.run_causes import IGNORE_EXPIRED

_LIMIT = 1 << 17  # bytes
_FORM = "a line is: ID or ID@CHECK, the last day as YYYY-MM-DD, the reason"
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True)
class IgnoredFinding:
    """A finding, perhaps of one check only, the last day on which it is ignored, and the line that names it."""

    named: str
    until: date
    reason: str
    place: str

    def expired(self) -> Diagnosis:
        """The finding of an entry whose last day is over."""
        message = f"{self.place}: {self.named} was to be ignored until {self.until}, and counts again ({self.reason})"
        return IGNORE_EXPIRED.diagnosis(message)


def read(path: Path, seconds: float) -> tuple[IgnoredFinding, ...]:
    """The entries of a file. Raises UsageError, which names the line."""
    try:
        content = files.read(path, _LIMIT, seconds)
        return tuple(_ignored_findings(content.decode("utf-8-sig"), path))
    except files.UnreadableFile as error:
        raise UsageError(f"--ignore-file: {path} {error}") from error
    except UnicodeDecodeError:
        raise UsageError(f"--ignore-file: {path} is not UTF-8") from None


def _ignored_findings(text: str, path: Path) -> Iterator[IgnoredFinding]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            yield _ignored_finding(line.split(maxsplit=2), f"{clean(path.name, 80)}:{number}")
        except UsageError as error:
            raise UsageError(f"--ignore-file: {path}:{number}: {error}") from None


def _ignored_finding(words: list[str], place: str) -> IgnoredFinding:
    if len(words) > 1 and not _DATE.fullmatch(words[1]):
        raise UsageError(f"{clean(words[1], 40)!r} is no date; {_FORM}")
    if len(words) < 3:
        raise UsageError(f"{'the reason is missing' if len(words) == 2 else 'the date is missing'}; {_FORM}")
    named, until, reason = words
    ids.require_named([named])
    try:
        return IgnoredFinding(named, date.fromisoformat(until), foreign(reason, 200), place)
    except ValueError:
        raise UsageError(f"{until!r} is no date of the calendar; {_FORM}") from None
