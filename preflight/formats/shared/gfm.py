"""Pieces of GitHub's Markdown. Whatever is not ours stands in a code span, where nothing is markup."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from checks.core.check import Status
from checks.core.text import clean
from preflight.formats.shared.phrases import STYLES

if TYPE_CHECKING:
    from collections.abc import Iterable

_LIMIT = 4000  # characters of a text: a message, or a hint with the places of many keys
_MOST_TICKS = 9
_TICKS = re.compile("`+")
MARKS = {Status.OK: "✅", Status.SKIP: "⏭️", Status.WARN: "⚠️", Status.FAIL: "❌"}


def marked(status: Status) -> str:
    """A status for people and for those who listen."""
    return f"{MARKS[status]} {STYLES[status].counted}"


def folded(title: str, text: str) -> str:
    """A part that is opened by who wants it."""
    return f"<details>\n<summary>{title}</summary>\n\n{text}\n\n</details>"


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Rows of cells that hold Markdown."""
    lines = (head, ("---",) * len(head), *(tuple(map(_cell, row)) for row in rows))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    """A pipe is escaped even inside code; on what a backslash in front of it means, parsers disagree."""
    return text.replace("\\|", "\\ |").replace("|", "\\|")


def code(text: str) -> str:
    """A code span with a fence that the text does not hold: shorter than 80, where GitHub's parser takes no more."""
    shown = _TICKS.sub(lambda ticks: ticks[0][:_MOST_TICKS], clean(text, _LIMIT))
    fence = "`" * (1 + max(map(len, _TICKS.findall(shown)), default=0))
    space = " " if shown[:1] == "`" or shown[-1:] == "`" else ""
    return f"{fence}{space}{shown}{space}{fence}" if shown else ""
