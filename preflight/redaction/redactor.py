"""Masks every secret of the configuration in a text, in each form that SECURITY.md lists."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from copy import copy
from functools import lru_cache

from checks.core.text import MarkedText
from preflight.redaction.decodings import Span, decoded_texts
from preflight.redaction.own_text import is_own_text
from preflight.redaction.patterns import Match, SecretMatcher

MASK = "***"
WITHHELD = "(withheld: there was no time to look for secrets in it)"
# The limit of the decoded texts of one text, in characters: the larger of a number and a multiple of the text's length.
# Any two encodings of a secret need a third of it.
_MIN_LIMIT, _LIMIT_FACTOR = 30_000, 20


class Redactor:
    """A function that returns a text with every secret replaced by ``***``.

    ``public`` texts (such as the origins of keys) are never masked: a password such as ``mistle`` must not hide the
    name of the file to edit. This program's own text is not masked either. A secret of less than five characters, or
    one that is a word of this program's text, is masked only as a separate word. Of a longer secret also each part of
    twelve letters or digits is masked, whatever other characters are between them.
    """

    def __init__(self, secrets: Iterable[str] = (), public: Iterable[str] = ()) -> None:
        self._matcher = SecretMatcher(secrets)
        self._public = frozenset(public) - {""}
        self._start(lambda: False)

    def with_limit(self, is_late: Callable[[], bool]) -> Redactor:
        """A redactor that withholds each text whose search has not ended before ``is_late()`` is true."""
        other = copy(self)
        other._start(is_late)
        return other

    def _start(self, is_late: Callable[[], bool]) -> None:
        self._is_late, self._masked = is_late, lru_cache(4096)(self._mask)

    def __call__(self, text: str, public: frozenset[str] = frozenset()) -> str:
        """The text without secrets. ``public``: more texts that are not masked in this one."""
        foreign = text.foreign if isinstance(text, MarkedText) else ((0, len(text)),)
        return self._masked(str(text), foreign, public)

    def _mask(self, text: str, foreign: tuple[Span, ...], public: frozenset[str]) -> str:
        spans, left = set(), max(_MIN_LIMIT, _LIMIT_FACTOR * len(text))
        for decoded in decoded_texts(text):
            left -= len(decoded.text)
            if self._is_late() or left < 0:
                return WITHHELD
            spans |= {(match.start, match.end) for match in self._matcher(decoded) if not _is_own(match, foreign)}
        public_texts = self._public | public if spans else ()
        public_spans = [span for each in public_texts for span in _occurrences(each, text)]
        for start, end in reversed(_merged(sorted(spans), public_spans)):
            text = text[:start] + MASK + text[end:]
        return text


def _is_own(match: Match, foreign: tuple[Span, ...]) -> bool:
    """True if the match is outside all foreign parts, and in the sources: a part may lack the mark of foreign text."""
    return not any(start < match.end and match.start < end for start, end in foreign) and is_own_text(match.text)


def _occurrences(part: str, text: str) -> Iterator[Span]:
    start = text.find(part)
    while start >= 0:
        yield start, start + len(part)
        start = text.find(part, start + 1)


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
