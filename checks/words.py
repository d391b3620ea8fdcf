"""Words that come from a server: bounded, and inert wherever they are printed."""

from __future__ import annotations

import unicodedata

_LIMIT = 400  # characters: enough for any server's sentence, too little to flood a report


def clean(text: str, limit: int = _LIMIT) -> str:
    """One line of printable text, at most ``limit`` characters, that no terminal obeys.

    It holds no control, format or bidirectional characters. What a build server would obey is broken in all output.
    """
    line = " ".join(text[: limit * 4].translate(_INERT).split())
    is_whole = len(line) <= limit and len(text) <= limit * 4
    return line if is_whole else line[: limit - 1] + "…"


class _Inert(dict[int, str]):
    """What stands for each character where it is shown, worked out when it is first met."""

    def __missing__(self, code: int) -> str:
        self[code] = shown = _inert(chr(code))
        return shown


def _inert(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Cc":  # also the NUL between two words
        return " "
    if category == "Cs":  # a byte that is not UTF-8, as Python reads one
        return "?"
    return "" if category.startswith("C") else character


_INERT = _Inert()
