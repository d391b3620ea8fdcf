"""The report as one HTML page, for people: a map of the deployment, what to fix, and every key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from preflight.formats.html.document import render_document
from preflight.formats.html.page import Page

if TYPE_CHECKING:
    from preflight.report.model import Report


def render(report: Report) -> str:
    """One HTML document."""
    return render_document("page.html.j2", Page(report), "page.css")
