"""For people, to read and to pass on: one page with a map of the deployment, what to fix, and every key."""

from __future__ import annotations

from preflight.formats.html.document import render_document
from preflight.formats.html.page import Page
from preflight.report.model import Report


def render(report: Report) -> str:
    """One HTML document."""
    return render_document("page.html.j2", Page(report), "page.css")
