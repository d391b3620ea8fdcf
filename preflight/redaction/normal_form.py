"""The normal form of a text, in which a secret is looked for: without case, white space and control characters."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

CUT = "…"  # where text.clean has cut a long text
_APART = f"*{CUT}"  # what stands on the two sides of a mask or a cut does not stand together


class Normal(NamedTuple):
    """Characters of a text in normal form, and the place in the text that each is from."""

    text: str
    places: Sequence[int]

    @property
    def letters(self) -> Normal:
        """Letters and digits alone: separators and signs may have been changed."""
        pairs = [pair for pair in zip(*self, strict=True) if pair[0].isalnum() or pair[0] in _APART]
        return _joined(pairs)


def solid(text: str) -> Normal:
    """Without any white space."""
    return _joined([(part, place) for place, each in enumerate(text) for part in _SOLID[each]])


def spaced(text: str) -> Normal:
    """With a space for each white space, which separates words."""
    return _joined([(part, place) for place, each in enumerate(text) for part in _SPACED[each]])


def ascii_letters(text: str) -> Normal:
    """The letters and digits that are ASCII: a text that was read in a wrong charset still has them."""
    pairs = [(each.lower(), place) for place, each in enumerate(text) if each.isascii() or each in _APART]
    return _joined(pairs).letters


def _joined(pairs: list[tuple[str, int]]) -> Normal:
    return Normal("".join([each for each, _ in pairs]), [place for _, place in pairs])


class _Folded(dict[str, str]):
    """What a character is in normal form, worked out when it is first met."""

    def __init__(self, space: str) -> None:
        super().__init__({each: each for each in _APART})
        self._space = space

    def __missing__(self, character: str) -> str:
        self[character] = folded = self._fold(character)
        return folded

    def _fold(self, character: str) -> str:
        if character.isspace() or unicodedata.category(character) == "Cc":
            return self._space
        plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", character).casefold())
        return plain.replace(" ", "")


_SOLID, _SPACED = _Folded(""), _Folded(" ")
