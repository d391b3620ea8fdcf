"""The line of a file to edit, for formats whose readers show findings beside the lines of files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from preflight.config.origin import InFile
from preflight.report.run_causes import UNREADABLE

if TYPE_CHECKING:
    from checks.core.check import Finding
    from preflight.report.model import Report

_LINE = re.compile(r"\(line (\d+)\b")  # where a file stopped being TOML


class Place(NamedTuple):
    """The path of a file in its repository, and a line of it, if that is known."""

    file: str
    line: int | None = None


def place(report: Report, finding: Finding) -> Place | None:
    """The line of the first key that the file holds or, if it is missing, should hold; None if no file is at fault."""
    if not report.file:
        return None
    if finding.id == UNREADABLE.id:
        line = _LINE.search(finding.message)
        return Place(report.file, int(line[1]) if line else None)
    verdicts = {verdict.key: verdict for verdict in report.keys if verdict.key in finding.fields}
    origins = (verdicts[key].origin or verdicts[key].belongs for key in finding.fields if key in verdicts)
    return next((Place(report.file, origin.line) for origin in origins if isinstance(origin, InFile)), None)
