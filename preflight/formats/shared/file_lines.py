"""The line of a file to edit, for formats whose readers show findings beside the lines of files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from preflight.config.origin import InFile, InVariable
from preflight.report.run_causes import UNREADABLE

if TYPE_CHECKING:
    from checks.core.check import Finding
    from preflight.config.origin import Origin
    from preflight.report.model import Report

_LINE = re.compile(r"\(line (\d+)\b")  # where a file stopped being TOML


class Place(NamedTuple):
    """The path of a file in its repository, and a line of it, if that is known."""

    file: str
    line: int | None = None


def place(report: Report, finding: Finding) -> Place | None:
    """The line of the first key that the file holds or, if it is missing, should hold; None if no file is at fault."""
    if report.file and finding.id == UNREADABLE.id:
        line = _LINE.search(finding.message)
        return Place(report.file, int(line[1]) if line else None)
    verdicts = {verdict.key: verdict for verdict in report.keys if verdict.key in finding.fields}
    origins = (verdicts[key].origin or verdicts[key].belongs for key in finding.fields if key in verdicts)
    return next((at for origin in origins if (at := _place(report.file, origin))), None)


def _place(file: str | None, origin: Origin | None) -> Place | None:
    match origin:
        case InVariable(_, path, line) if path:
            return Place(path, line)
        case InFile(_, line) if file:
            return Place(file, line)
    return None
