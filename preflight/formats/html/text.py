"""How the page shows texts and times."""

from __future__ import annotations

import math
import re
import unicodedata

from markupsafe import Markup, escape

from checks.core.text import clean
from preflight.reference.catalogue import entries, sentence

_MAX_TEXT = 4000  # characters: far more than any text of a report, and few enough to keep the page readable


def shown(value: object) -> object:
    """A value without control characters, which could change how the page is displayed. Not yet escaped."""
    return clean(value, _MAX_TEXT) if isinstance(value, str) and not hasattr(value, "__html__") else value


def breakable(text: str) -> Markup:
    """A name with a possible line break after each dot, slash, underscore and @."""
    parts = re.split(r"(?<=[._/@])(?=\w)", clean(text, _MAX_TEXT))
    return Markup("<wbr>").join(map(escape, parts))


_DECIMALS = ((0.01, 1), (1, 0), (10, 2), (100, 1), (math.inf, 0))  # for seconds below each limit


def meaning(id_: str) -> str:
    """The meaning of a finding; empty if this version does not have its id."""
    entry = entries().get(id_)
    return sentence(entry.cause.means) if entry else ""


def duration(seconds: float) -> str:
    """A time with up to three digits, and its unit."""
    decimals = next(decimals for limit, decimals in _DECIMALS if seconds < limit)
    return f"{seconds * 1000:.{decimals}f} ms" if seconds < 1 else f"{seconds:.{decimals}f} s"


def fit_end(text: str, columns: int) -> str:
    """The end of a name, shortened to this many columns of a monospaced font."""
    text = clean(text, _MAX_TEXT)
    return text if _columns(text) <= columns else "…" + _tail(text, columns - 1)


def fit_middle(text: str, columns: int) -> str:
    """Both ends of a text, shortened to this many columns of a monospaced font."""
    text = clean(text, _MAX_TEXT)
    if _columns(text) <= columns:
        return text
    half = (columns - 1) // 2
    return f"{_tail(text[::-1], columns - 1 - half)[::-1]}…{_tail(text, half)}"


def _tail(text: str, columns: int) -> str:
    """As many of the last characters as fit into this many columns."""
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
