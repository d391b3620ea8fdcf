"""Words that come from a server: bounded, and inert wherever they are printed."""

from __future__ import annotations

import unicodedata

_LIMIT = 400  # characters: enough for any server's sentence, too little to flood a report


def clean(text: str, limit: int = _LIMIT) -> str:
    """One line of printable text: no control, format or bidirectional characters, at most ``limit`` characters."""
    shown = "".join(_inert(character) for character in text[: limit * 4])
    line = " ".join(shown.split())
    is_whole = len(line) <= limit and len(text) <= limit * 4
    return line if is_whole else line[: limit - 1] + "…"


def _inert(character: str) -> str:
    if character in "\n\r\t":
        return " "
    category = unicodedata.category(character)
    if category == "Cs":  # a byte that is not UTF-8, as Python reads one
        return "?"
    return "" if category.startswith("C") else character
