"""The normal form of a text, which is searched for secrets: without case, white space and control characters."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

CUT = "…"  # text.clean ends a shortened text with it
_SEPARATORS = f"*{CUT}"  # kept: the texts before and after a mask or a cut are not adjacent


class NormalForm(NamedTuple):
    """A text in normal form, and the position in the original text of each of its characters."""

    text: str
    positions: Sequence[int]

    @property
    def alphanumerics(self) -> NormalForm:
        """Only letters and digits: a server may have changed all others."""
        pairs = [pair for pair in zip(*self, strict=True) if pair[0].isalnum() or pair[0] in _SEPARATORS]
        return _joined(pairs)


def without_spaces(text: str) -> NormalForm:
    """The normal form without white space."""
    return _joined([(part, position) for position, each in enumerate(text) for part in _WITHOUT_SPACES[each]])


def with_spaces(text: str) -> NormalForm:
    """The normal form with one space for each run of white space, so that words are separate."""
    pairs = [(part, position) for position, each in enumerate(text) for part in _WITH_SPACES[each]]
    return _joined(
        [pair for pair, last in zip(pairs, [("", 0), *pairs], strict=False) if (pair[0], last[0]) != (" ", " ")]
    )


def ascii_alphanumerics(text: str) -> NormalForm:
    """Only ASCII letters and digits, which stay the same if a text is decoded with the wrong charset."""
    pairs = [(each.lower(), position) for position, each in enumerate(text) if each.isascii() or each in _SEPARATORS]
    return _joined(pairs).alphanumerics


def _joined(pairs: list[tuple[str, int]]) -> NormalForm:
    return NormalForm("".join([each for each, _ in pairs]), [position for _, position in pairs])


class _NormalCharacters(dict[str, str]):
    """The normal form of each character, computed at its first use."""

    def __init__(self, space: str) -> None:
        super().__init__({each: each for each in _SEPARATORS})
        self._space = space

    def __missing__(self, character: str) -> str:
        self[character] = normal = self._normal(character)
        return normal

    def _normal(self, character: str) -> str:
        if character.isspace() or unicodedata.category(character) == "Cc":
            return self._space
        plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", character).casefold())
        return plain.replace(" ", "")


_WITHOUT_SPACES, _WITH_SPACES = _NormalCharacters(""), _NormalCharacters(" ")
