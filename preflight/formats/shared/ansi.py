"""How a status looks in text.

Colours are SGR codes; whoever prints to something other than a terminal strips them. ``ASCII`` replaces the marks
where the output's encoding has none.
"""

from __future__ import annotations

from checks.core.check import Status
from preflight.formats.shared.phrases import STYLES

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
