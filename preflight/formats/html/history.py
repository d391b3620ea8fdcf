"""The page that serve shows: a report, and at its end how the deployment changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from preflight.formats.html.document import render_document, render_part

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from typing import Protocol

    from checks.core.check import Status

    class ChangeLine(Protocol):
        """One change."""

        @property
        def status(self) -> Status: ...
        @property
        def kind(self) -> str: ...
        @property
        def text(self) -> str: ...

    class RunChanges(Protocol):
        """What changed at a time, in UTC."""

        @property
        def at(self) -> datetime: ...
        @property
        def lines(self) -> Sequence[ChangeLine]: ...

    class Served(Protocol):
        """What the section shows. ``every``: seconds between two runs. The latest run is the first."""

        @property
        def every(self) -> float: ...
        @property
        def runs(self) -> Sequence[RunChanges]: ...


_END, _LINKS = "</main>", "\n    </ul>\n  </nav>"  # of base.html.j2; no text of a report can hold them


def with_history(page: str, served: Served) -> str:
    """The page with one more section, and a link to it. It needs no other style and no other script."""
    before, end, after = page.rpartition(_END)
    page = f"{before}{render_part('history.html.j2', served)}{end}{after}"
    return page.replace(_LINKS, f'\n      <li><a href="#history">History</a></li>{_LINKS}', 1)


def first_page(served: Served) -> str:
    """The page until the first run has ended."""
    return render_document("first.html.j2", served, "page.css")
