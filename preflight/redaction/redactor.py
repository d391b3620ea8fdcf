"""Every secret of the configuration, masked on the way out, in whatever form SECURITY.md lists."""

from __future__ import annotations

from copy import copy
from functools import lru_cache
from typing import TYPE_CHECKING

from checks.core.text import MarkedText
from preflight.redaction.decodings import readings
from preflight.redaction.own_words import are_ours
from preflight.redaction.patterns import SecretMatcher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from preflight.redaction.decodings import Span
    from preflight.redaction.patterns import Hit

MASK = "***"
WITHHELD = "(withheld: there was no time to look for secrets in it)"
_MOST, _TIMES = 30_000, 20  # characters, or so many times the text: thrice what any two encodings of a secret need


class Redactor:
    """Called with a text, gives it back with every secret replaced by ``***``.

    ``public`` texts (where a key was written) are left alone, so that a password such as ``mistle`` does not hide the
    name of the file to edit; and so is what this program says itself. A secret of less than five characters, or one of
    this program's own words, is masked only where it stands by itself; of a longer one also each part of twelve letters
    or digits, whatever stands between them.
    """

    def __init__(self, secrets: Iterable[str] = (), public: Iterable[str] = ()) -> None:
        self._needles = SecretMatcher(secrets)
        self._public = frozenset(public) - {""}
        self._begin(lambda: False)

    def until(self, is_late: Callable[[], bool]) -> Redactor:
        """The same, but that it gives back nothing of a text which was not searched before it ``is_late``."""
        other = copy(self)
        other._begin(is_late)
        return other

    def _begin(self, is_late: Callable[[], bool]) -> None:
        self._is_late, self._masked = is_late, lru_cache(4096)(self._mask)

    def __call__(self, text: str, public: frozenset[str] = frozenset()) -> str:
        """The text without secrets; more texts may be ``public`` in this one."""
        foreign = text.foreign if isinstance(text, MarkedText) else ((0, len(text)),)
        return self._masked(str(text), foreign, public)

    def _mask(self, text: str, foreign: tuple[Span, ...], public: frozenset[str]) -> str:
        spans, left = set(), max(_MOST, _TIMES * len(text))
        for reading in readings(text):
            left -= len(reading.text)
            if self._is_late() or left < 0:
                return WITHHELD
            spans |= {(hit.start, hit.end) for hit in self._needles(reading) if not _is_ours(hit, foreign)}
        known = self._public | public if spans else ()
        shown = [span for each in known for span in _occurrences(each, text)]
        for start, end in reversed(_merged(sorted(spans), shown)):
            text = text[:start] + MASK + text[end:]
        return text


def _is_ours(hit: Hit, foreign: tuple[Span, ...]) -> bool:
    """A secret that no sentence of ours can hold is masked everywhere, though nobody marked what is foreign."""
    return not any(start < hit.end and hit.start < end for start, end in foreign) and are_ours(hit.sign)


def _occurrences(needle: str, text: str) -> Iterator[Span]:
    start = text.find(needle)
    while start >= 0:
        yield start, start + len(needle)
        start = text.find(needle, start + 1)


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
