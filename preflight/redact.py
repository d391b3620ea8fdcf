"""Every secret of the configuration, masked on the way out, in whatever encoding it is."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from preflight.needles import Needles, occurrences
from preflight.readings import readings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from preflight.readings import Span

MASK = "***"


class Redactor:
    """Called with a text, gives it back with every secret replaced by ``***``.

    ``public`` texts (where a key was written) are left alone, so that a password such as ``mistle`` does not hide the
    name of the file to edit. A secret of less than five characters, or one that is a common word, is masked only where
    it stands by itself; of a longer one also each part of twelve letters or digits, whatever stands between them.
    """

    def __init__(self, secrets: Iterable[str] = (), public: Iterable[str] = ()) -> None:
        self._needles = Needles(secrets)
        self._public = frozenset(public) - {""}
        self._masked = lru_cache(4096)(self._mask)

    def __call__(self, text: str, public: frozenset[str] = frozenset()) -> str:
        """The text without secrets; more texts may be ``public`` in this one."""
        return self._masked(text, public)

    def _mask(self, text: str, public: frozenset[str]) -> str:
        spans = {span for reading in readings(text) for span in self._needles(reading)}
        known = self._public | public if spans else ()
        shown = [span for each in known if each in text for span in occurrences(each, text)]
        for start, end in reversed(_merged(sorted(spans), shown)):
            text = text[:start] + MASK + text[end:]
        return text


def _merged(spans: list[Span], public: list[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end in spans:
        if any(first <= start and end <= last for first, last in public):
            continue
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
