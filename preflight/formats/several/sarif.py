"""The reports as one SARIF document with one run: code scanning accepts one run of a tool."""

from __future__ import annotations

from typing import TYPE_CHECKING

from preflight.formats import sarif

if TYPE_CHECKING:
    from preflight.report.model import Reports


def render(reports: Reports) -> str:
    """One document, with an invocation for each file."""
    return sarif.render_all(reports.reports)
