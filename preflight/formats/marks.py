"""How a status looks in text.

Colours are SGR codes; whoever prints to something other than a terminal strips them. ``ASCII`` replaces the marks
where the output's encoding has none.
"""

from __future__ import annotations

from typing import NamedTuple

from checks.base import Status


class Style(NamedTuple):
    """How a status looks, and what it is called in a count."""

    mark: str
    color: str
    counted: str


STYLES = {
    Status.OK: Style("✓", "32", "ok"),
    Status.SKIP: Style("–", "2", "skipped"),  # noqa: RUF001 - a dash, not a minus
    Status.WARN: Style("!", "33", "warned"),
    Status.FAIL: Style("✗", "31", "failed"),
}
ASCII = str.maketrans({"✓": "+", "✗": "x", "–": "-", "→": "->", "·": "|", "…": "..."})  # noqa: RUF001


def marked(status: Status, line: str) -> str:
    """A line with the mark of its status, coloured as a whole where it asks for attention."""
    style = STYLES[status]
    if status > Status.SKIP:
        return "  " + color(style.color, f"{style.mark} {line.rstrip()}")
    return f"  {color(style.color, style.mark)} {line.rstrip()}"


def color(code: str, text: str) -> str:
    """The text with an SGR code, and reset after it."""
    return f"\x1b[{code}m{text}\x1b[0m"
