"""This program's own words: what stands in its sources, and so in its sentences whatever the secrets are."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from pathlib import Path

import checks
from checks.core.text import MarkedText
from preflight.redaction.normal_form import solid

_ROOMS = (Path(__file__).parents[1], Path(checks.__file__).parent)


def is_word(text: str) -> bool:
    """Whether the text, in normal form, is one of the words. The sources are read only where it can be."""
    return text.replace("_", "").isalpha() and text in _words()


@lru_cache(4096)
def are_ours(text: str) -> bool:
    """Whether the letters of the text stand together in the sources."""
    letters = "".join(filter(str.isalnum, solid(text).text))
    return bool(letters) and letters in _letters()


def lines(text: str) -> MarkedText:
    """A traceback: its lines of our sources are our own, all others are foreign."""
    told, ends = MarkedText(text), [match.span() for match in re.finditer(r"[^\n]+", text)]
    told.foreign = tuple((start, end) for start, end in ends if not are_ours(text[start:end]))
    return told


@cache
def _words() -> frozenset[str]:
    names = set(re.findall(r"\w+", _sources()))
    return frozenset(word for name in names for word in (name, *name.split("_")))


@cache
def _letters() -> str:
    return re.sub(r"[\W_]+", "", _sources())


@cache
def _sources() -> str:
    return "\n".join(file.read_text(encoding="utf-8") for room in _ROOMS for file in room.rglob("*.py")).casefold()
