"""Text from servers: bounded, harmless wherever it is printed, and distinguished from this program's own text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

_LIMIT = 400  # characters: enough for any server's sentence, too little to flood a report
SEQUENCE = "|".join(
    (  # control sequences that a terminal executes and does not show (ECMA-48)
        r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]",  # colours, cursor movements
        r"(?:\x1b[]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)",  # titles, links, the clipboard
        r"\x1b[ -/]*[0-Z\\`-~]",  # sequences of two bytes; character sets
    )
)
_SEQUENCE = re.compile(SEQUENCE)
_OPEN, _CLOSE = "\ue000", "\ue001"  # private use: `clean` removes them, so that no server can send one
_FOREIGN = re.compile(f"{_OPEN}[^{_CLOSE}]*{_CLOSE}")


def clean(text: str, limit: int = _LIMIT) -> str:
    """One line of printable text, at most ``limit`` characters, without anything that a terminal executes.

    Removes control, format and bidirectional characters, and control sequences. Commands to CI
    services are made harmless where output is written.
    """
    line = " ".join(_SEQUENCE.sub("", text[: limit * 4]).translate(_REPLACEMENTS).split())
    is_whole = len(line) <= limit and len(text) <= limit * 4
    return line if is_whole else line[: limit - 1] + "…"


class MarkedText(str):
    """One line of output. ``foreign`` are the start and end of each part that is not this program's own text."""

    foreign: tuple[tuple[int, int], ...] = ()

    def map_own(self, change: Callable[[str], str]) -> str:
        """The text for ``marked``, with ``change`` applied to each part that is this program's own."""
        parts, end = [], 0
        for start, stop in self.foreign:
            parts += [change(self[end:start]), foreign(self[start:stop], len(self))]
            end = stop
        return "".join((*parts, change(self[end:])))


def foreign(text: str, limit: int = _LIMIT) -> str:
    """Text from a server, a library, a file or the environment: clean, and marked as foreign for ``marked``."""
    return f"{_OPEN}{clean(text, limit)}{_CLOSE}"


def marked(text: str, limit: int = _LIMIT) -> MarkedText:
    """The clean text without the marks of ``foreign``, whose positions it keeps."""
    if isinstance(text, MarkedText) and len(text) <= limit:
        return text
    line = MarkedText(clean(text, limit))
    ends = (part.span() for part in _FOREIGN.finditer(text))
    line.foreign = tuple((_clean_length(text[:start], limit), _clean_length(text[:end], limit)) for start, end in ends)
    return line


def _clean_length(before: str, limit: int) -> int:
    return min(limit, len(clean(before + "x", 2 * limit)) - 1)


def bracketed(host: str) -> str:
    """The host as in a URL: an IPv6 address has brackets."""
    return f"[{host}]" if ":" in host else host


class _Replacements(dict[int, str]):
    """For str.translate: the replacement of each character, computed at its first use."""

    def __missing__(self, code: int) -> str:
        self[code] = replacement = _replacement(chr(code))
        return replacement


def _replacement(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Cc":  # also the NUL between two words
        return " "
    if category == "Cs":  # a byte that is not UTF-8, as Python decodes it
        return "?"
    return "" if category.startswith("C") else character


_REPLACEMENTS = _Replacements()
