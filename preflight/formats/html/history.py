"""The page that serve shows: a report, and at its end how the deployment changed."""

from __future__ import annotations

from preflight.formats.html.document import render_document, render_part

_END, _LINKS = "</main>", "\n    </ul>\n  </nav>"  # of base.html.j2; no text of a report can hold them


def with_history(page: str, state: object) -> str:
    """The page with one more section, and a link to it. It needs no other style and no other script.

    ``state`` is that of ``serve``, of which the template reads ``every`` and ``runs``, the latest first.
    """
    before, end, after = page.rpartition(_END)
    page = f"{before}{render_part('history.html.j2', state)}{end}{after}"
    return page.replace(_LINKS, f'\n      <li><a href="#history">History</a></li>{_LINKS}', 1)


def first_page(state: object) -> str:
    """The page until the first run has ended."""
    return render_document("first.html.j2", state, "page.css")
