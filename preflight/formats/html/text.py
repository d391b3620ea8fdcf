"""Texts as the page shows them."""

from __future__ import annotations

import math
import re
import unicodedata

from markupsafe import Markup, escape

from checks.core.text import clean
from preflight.reference.catalogue import entries, sentence

_LIMIT = 4000  # characters: far more than any text of a report, and too few to flood the page


def shown(value: object) -> object:
    """What the page prints of a value: nothing that could steer whoever displays it. Not yet escaped."""
    return clean(value, _LIMIT) if isinstance(value, str) and not hasattr(value, "__html__") else value


def breakable(text: str) -> Markup:
    """A name that may continue on the next line, after a dot, a slash or an underscore."""
    parts = re.split(r"(?<=[._/@])(?=\w)", clean(text, _LIMIT))
    return Markup("<wbr>").join(map(escape, parts))


_PLACES = ((0.01, 1), (1, 0), (10, 2), (100, 1), (math.inf, 0))  # after the point, for seconds below each limit


def meaning(id_: str) -> str:
    """What a finding means; nothing of one that this version does not know."""
    known = entries().get(id_)
    return sentence(known.cause.means) if known else ""


def duration(seconds: float) -> str:
    """Up to three digits, and the unit."""
    places = next(places for limit, places in _PLACES if seconds < limit)
    return f"{seconds * 1000:.{places}f} ms" if seconds < 1 else f"{seconds:.{places}f} s"


def fit_end(text: str, columns: int) -> str:
    """The end of a name, in this many columns of a monospaced font."""
    text = clean(text, _LIMIT)
    return text if _columns(text) <= columns else "…" + _tail(text, columns - 1)


def fit_middle(text: str, columns: int) -> str:
    """Both ends of a text, in this many columns of a monospaced font."""
    text = clean(text, _LIMIT)
    if _columns(text) <= columns:
        return text
    half = (columns - 1) // 2
    return f"{_tail(text[::-1], columns - 1 - half)[::-1]}…{_tail(text, half)}"


def _tail(text: str, columns: int) -> str:
    """As many of the last characters as there is room for."""
    start = len(text)
    while start and (columns := columns - _width(text[start - 1])) >= 0:
        start -= 1
    return text[start:]


def _columns(text: str) -> int:
    return sum(map(_width, text))


def _width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
