"""The text of this program's own sources. Its messages consist of it, so it reveals no secret."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from pathlib import Path

import checks
from checks.core.text import MarkedText
from preflight.redaction.normal_form import without_spaces

_FOLDERS = (Path(__file__).parents[1], Path(checks.__file__).parent)


def is_own_word(text: str) -> bool:
    """True if the text, in normal form, is a word of the sources. They are read only if it can be one."""
    return text.replace("_", "").isalpha() and text in _words()


@lru_cache(4096)
def is_own_text(text: str) -> bool:
    """True if the letters and digits of the text occur in the sources, one after the other."""
    alphanumerics = "".join(filter(str.isalnum, without_spaces(text).text))
    return bool(alphanumerics) and alphanumerics in _alphanumerics()


def mark_foreign_lines(traceback: str) -> MarkedText:
    """The traceback, with the lines that are not in the sources marked as foreign."""
    marked, lines = MarkedText(traceback), [match.span() for match in re.finditer(r"[^\n]+", traceback)]
    marked.foreign = tuple((start, end) for start, end in lines if not is_own_text(traceback[start:end]))
    return marked


@cache
def _words() -> frozenset[str]:
    names = set(re.findall(r"\w+", _sources()))
    return frozenset(word for name in names for word in (name, *name.split("_")))


@cache
def _alphanumerics() -> str:
    return re.sub(r"[\W_]+", "", _sources())


@cache
def _sources() -> str:
    files = (file for folder in _FOLDERS for file in folder.rglob("*.py"))
    return "\n".join(file.read_text(encoding="utf-8") for file in files).casefold()
