"""Search patterns for secrets: the full value, 12-character parts of it, and tokens derived from it.

All secrets are searched at once: each part of a text that is as long as a pattern is looked up in a set. So the time
depends on the length of the text, not on the number of secrets.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from itertools import product
from typing import NamedTuple
from urllib.parse import unquote, unquote_plus

from checks.core.text import clean
from preflight.redaction.decodings import DEPTH, DecodedText, Span, unescaped
from preflight.redaction.normal_form import CUT, NormalForm, ascii_alphanumerics, with_spaces, without_spaces
from preflight.redaction.own_text import is_own_word

_MIN_SECRET = 5  # characters: a shorter secret is masked only as a separate word; it may be a part of other words
_MIN_CUT = 4  # characters: this many of a secret before the end of a shortened text are the start of that secret
_PART = 12  # characters: this many of a secret, one after the other, are no coincidence
_MIN_ALPHANUMERICS = 8  # the same for a secret that is compared by its letters and digits only
_MAX_OWN_WORD = 24  # characters of the longest word in our sources
_DIGESTS = ("md5", "sha1", "sha256", "sha512")
# Tokens that are derived from a secret, and replace it or help to guess it: JSON Web Tokens, signatures (not digests of
# images), and what Postgres's md5 and SCRAM logins send.
_DERIVED = re.compile(
    r"eyJ[\w-]{6,}(?:\.[\w-]+)*|(?<![\w:])[0-9a-fA-F]{64}(?!\w)|\bmd5[0-9a-fA-F]{32}\b|\bp=[A-Za-z0-9+/]{43}="
)
_DIGEST = re.compile("[0-9a-fA-F]{32,}")
_JOINED_BEFORE, _JOINED_AFTER = re.compile(r"\w[.-]?\Z"), re.compile(r"[.-]?\w")


class Match(NamedTuple):
    """A span of the original text that contains a secret, or a part of it; ``text`` is that part in normal form."""

    start: int
    end: int
    text: str


class SecretMatcher:
    """Finds the secrets in a decoded text."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._parts, self._words, self._cut_off = _PatternSet(), _PatternSet(), _PatternSet()
        self._forms = {form for secret in secrets if secret.strip() for form in _forms(secret)}
        for form in self._forms:
            self._add(form)

    def _add(self, form: str) -> None:
        normal = without_spaces(form)
        length = len(normal.text)
        if length < _MIN_SECRET or (length <= _MAX_OWN_WORD and is_own_word(normal.text)):
            self._words.add(with_spaces(form).text.strip())
            return
        self._parts.add(*_parts(normal.text, _MIN_SECRET))
        self._cut_off.add(*_beginnings(normal.text))
        for other in (normal.alphanumerics, ascii_alphanumerics(form)):
            self._parts.add(*_parts(other.text, _MIN_ALPHANUMERICS))

    @cached_property
    def _digests(self) -> _PatternSet:
        """The first digits of digests, which help to guess a password. Computed only if a text holds a digest."""
        import hashlib

        digests = _PatternSet()
        for form, name in product(self._forms, _DIGESTS):
            digests.add(hashlib.new(name, _encoded(form), usedforsecurity=False).hexdigest()[:_PART])
        return digests

    def __call__(self, decoded: DecodedText) -> Iterator[Match]:
        """All secrets, parts of secrets and derived tokens in the text."""
        text = without_spaces(decoded.text)
        others = () if decoded.text.isascii() else (ascii_alphanumerics(decoded.text),)
        for normal in (text, text.alphanumerics, *others):
            yield from (_match(decoded, normal, *span) for span in self._parts.spans_in(normal.text))
        cuts = [cut.end() for cut in re.finditer(CUT, text.text)]
        yield from (_match(decoded, text, *span) for span in self._cut_off.spans_before(text.text, cuts))
        whole = NormalForm(decoded.text, range(len(decoded.text)))
        yield from (_match(decoded, whole, *token.span()) for token in _DERIVED.finditer(decoded.text))
        for digest in _DIGEST.finditer(decoded.text):
            if any(self._digests.spans_in(digest[0].lower())):
                yield _match(decoded, whole, *digest.span())
        if decoded.is_plausible:
            text = with_spaces(decoded.text)
            spans = (span for span in self._words.spans_in(text.text) if _is_separate(text.text, *span))
            yield from (_match(decoded, text, *span) for span in spans)


class _PatternSet:
    """Texts to search for, by length."""

    def __init__(self) -> None:
        self._by_length: defaultdict[int, set[str]] = defaultdict(set)

    def add(self, *patterns: str) -> None:
        for pattern in filter(None, patterns):
            self._by_length[len(pattern)].add(pattern)

    def spans_in(self, text: str) -> Iterator[Span]:
        """The spans of all patterns in the text. They may overlap."""
        for length, patterns in self._by_length.items():
            parts = [text[start : start + length] for start in range(len(text) - length + 1)]
            if not patterns.isdisjoint(parts):
                yield from ((start, start + length) for start, part in enumerate(parts) if part in patterns)

    def spans_before(self, text: str, ends: list[int]) -> Iterator[Span]:
        """The spans of all patterns that end at one of these positions."""
        for length, patterns in self._by_length.items():
            yield from ((end - length, end) for end in ends if end >= length and text[end - length : end] in patterns)


def _match(decoded: DecodedText, normal: NormalForm, start: int, end: int) -> Match:
    """The match without the ``…`` of a shortened text, which is no part of the secret."""
    text = normal.text[start:end].rstrip(CUT)
    first, last = normal.positions[start], normal.positions[start + len(text) - 1]
    return Match(decoded.spans[first][0], decoded.spans[last][1], text)


def _parts(text: str, minimum: int) -> Iterator[str]:
    """All parts of 12 characters; of a shorter text, the whole text if it has the minimum length."""
    if len(text) >= minimum:
        yield from (text[start : start + _PART] for start in range(max(1, len(text) - _PART + 1)))


def _beginnings(text: str) -> Iterator[str]:
    """The beginnings of a secret, as they are at the end of a shortened text."""
    return (text[:length] + CUT for length in range(_MIN_CUT, min(len(text), _PART)))


def _is_separate(text: str, start: int, end: int) -> bool:
    """True if no letter or digit is next to the word, also not behind a dot or a hyphen, as in names and numbers."""
    before = text[start].isalnum() and _JOINED_BEFORE.search(text[max(0, start - 2) : start])
    after = text[end - 1].isalnum() and _JOINED_AFTER.match(text, end)
    return not before and not after


def _forms(secret: str) -> Iterator[str]:
    """The secret as a decoded text may contain it, each form also as text.clean changes it."""
    for text in _spellings(secret):
        misread = () if text.isascii() else filter(_has_alphanumerics, (read(text) for read in _WRONG_CHARSETS))
        for form in (text, *misread):
            yield from (form, clean(form, len(form) or 1))


def _spellings(secret: str) -> set[str]:
    """The secret as it is, trimmed, URL-decoded, each of its longer lines, and with its escapes decoded."""
    lines = (line.strip() for line in secret.splitlines() if len(line.strip()) >= 2 * _MIN_SECRET)
    spellings = {secret, secret.strip(), unquote(secret), unquote_plus(secret), secret.replace(" ", "+"), *lines}
    for _ in range(DEPTH):
        secret = unescaped(secret)
        spellings.add(secret)
    return spellings


def _encoded(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


_WRONG_CHARSETS: tuple[Callable[[str], str], ...] = (
    lambda text: _encoded(text).decode("latin-1"),
    lambda text: _encoded(text).decode("ascii", "replace"),
    lambda text: _encoded(text).decode("ascii", "surrogateescape"),
    lambda text: text.encode("ascii", "replace").decode(),
    lambda text: text.encode("latin-1", "replace").decode("utf-8", "replace"),
)


def _has_alphanumerics(text: str) -> bool:
    return any(character.isalnum() for character in text)
