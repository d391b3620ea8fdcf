"""The reports for a terminal, each below the name of its file."""

from __future__ import annotations

from preflight.formats import text
from preflight.formats.shared.ansi import color
from preflight.report.model import Report, Reports


def render(reports: Reports) -> str:
    """One report after the other, but for files that cannot be read: a line on standard error replaces theirs."""
    return "\n".join(_named(report) for report in reports.reports if report.exit_code != 2)


def _named(report: Report) -> str:
    """A whole report begins with the name of its file already."""
    heading = f"{color('1', report.config or '')}\n" if report.detail < 0 else ""
    return heading + text.render(report)
