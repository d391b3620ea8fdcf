"""The line of a file to edit, for formats whose readers show findings beside the lines of files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from checks.core.finding import Finding
from preflight.config.origin import InFile, InVariable, Origin
from preflight.report.run_causes import UNREADABLE

if TYPE_CHECKING:
    from preflight.report.model import Report

# Where a file stopped being TOML: no key was read, so no origin has this line, and only the message does.
_LINE = re.compile(r"\(line (\d+)\b")


class FileLine(NamedTuple):
    """The path of a file in its repository, and the number of a line, if known."""

    file: str
    line: int | None = None


def line_to_edit(report: Report, finding: Finding) -> FileLine | None:
    """The line of the first key that the file holds or, if it is missing, should hold; None if no file is at fault."""
    if report.file and finding.id == UNREADABLE.id:
        line = _LINE.search(finding.message)
        return FileLine(report.file, int(line[1]) if line else None)
    verdicts = {verdict.key: verdict for verdict in report.keys if verdict.key in finding.fields}
    origins = (verdicts[key].origin or verdicts[key].belongs for key in finding.fields if key in verdicts)
    return next((at for origin in origins if (at := _file_line(report.file, origin))), None)


def _file_line(file: str | None, origin: Origin | None) -> FileLine | None:
    match origin:
        case InVariable(_, path, line) if path:
            return FileLine(path, line)
        case InFile(_, line) if file:
            return FileLine(file, line)
    return None
