"""Words that come from a server: bounded, inert wherever they are printed, and told apart from this program's own."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_LIMIT = 400  # characters: enough for any server's sentence, too little to flood a report
SEQUENCE = "|".join(
    (  # what a terminal obeys and does not show (ECMA-48)
        r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]",  # colours, moves of the cursor
        r"(?:\x1b[]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)",  # titles, links, the clipboard
        r"\x1b[ -/]*[0-Z\\`-~]",  # of two octets; charsets
    )
)
_SEQUENCE = re.compile(SEQUENCE)
_OPEN, _CLOSE = "\ue000", "\ue001"  # private use: `clean` drops them, so that no server can write one
_FOREIGN = re.compile(f"{_OPEN}[^{_CLOSE}]*{_CLOSE}")


def clean(text: str, limit: int = _LIMIT) -> str:
    """One line of printable text, at most ``limit`` characters, that no terminal obeys.

    It holds no control, format or bidirectional characters, and nothing of a terminal's control sequences. What a build
    server would obey is broken in all output.
    """
    line = " ".join(_SEQUENCE.sub("", text[: limit * 4]).translate(_INERT).split())
    is_whole = len(line) <= limit and len(text) <= limit * 4
    return line if is_whole else line[: limit - 1] + "…"


class Told(str):
    """One line that is told to the operator. ``foreign`` are the parts of it that are not this program's own words."""

    foreign: tuple[tuple[int, int], ...] = ()

    def with_own(self, change: Callable[[str], str]) -> str:
        """The text for ``told``, with each part of this program's own words changed, and the others as they are."""
        parts, end = [], 0
        for start, stop in self.foreign:
            parts += [change(self[end:start]), foreign(self[start:stop], len(self))]
            end = stop
        return "".join((*parts, change(self[end:])))


def foreign(text: str, limit: int = _LIMIT) -> str:
    """The words of a server, a library, a file or the environment, clean, and marked as theirs for ``told``."""
    return f"{_OPEN}{clean(text, limit)}{_CLOSE}"


def told(text: str, limit: int = _LIMIT) -> Told:
    """The text, clean, and without the marks of ``foreign`` words, whose places it knows."""
    if isinstance(text, Told) and len(text) <= limit:
        return text
    line = Told(clean(text, limit))
    ends = (part.span() for part in _FOREIGN.finditer(text))
    line.foreign = tuple((_length(text[:start], limit), _length(text[:end], limit)) for start, end in ends)
    return line


def _length(before: str, limit: int) -> int:
    """Of what stands before a place in a text, once that is clean."""
    return min(limit, len(clean(before + "x", 2 * limit)) - 1)


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
