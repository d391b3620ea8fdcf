"""What to look for, so that a secret is found however it is written: the whole of it, a part, what was made with it.

All secrets are looked for at once: every stretch of a text, of each length that is known, is looked up in one set. So
the time depends on the text, and not on the number of secrets.
"""

from __future__ import annotations

import re
from collections import defaultdict
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, unquote_plus

from checks.core.text import clean
from preflight.redaction.decodings import DEPTH, unescaped
from preflight.redaction.normal_form import CUT, Normal, ascii_letters, solid, spaced
from preflight.redaction.own_words import is_word

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from preflight.redaction.decodings import DecodedText, Span

_SHORT = 5  # characters: a shorter secret is looked for as a word of its own only, or it would eat other words
_CUT_SHORT = 4  # characters: this much of a secret where a text was cut off is a secret that was cut off there
_PART = 12  # characters: this many of a secret in a row are a part of it, and not chance
_WHOLE = 8  # letters and digits: the same, where they are all that it has
_LONGEST_WORD = 24  # characters: our own have fewer
_DIGESTS = ("md5", "sha1", "sha256", "sha512")
# What is made with a secret, and serves in its place or to guess it: tokens, signatures (not the digests of images),
# and what is sent of passwords.
_DERIVED = re.compile(
    r"eyJ[\w-]{6,}(?:\.[\w-]+)*|(?<![\w:])[0-9a-fA-F]{64}(?!\w)|\bmd5[0-9a-fA-F]{32}\b|\bp=[A-Za-z0-9+/]{43}="
)
_DIGEST = re.compile("[0-9a-fA-F]{32,}")
_JOINED_BEFORE, _JOINED_AFTER = re.compile(r"\w[.-]?\Z"), re.compile(r"[.-]?\w")


class Hit(NamedTuple):
    """Where in the original text something stands, and what it is in normal form."""

    start: int
    end: int
    sign: str


class SecretMatcher:
    """Finds the secrets in the readings of a text."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._signs, self._words, self._cut_off = _Signs(), _Signs(), _Signs()
        self._forms = {form for secret in secrets if secret.strip() for form in _forms(secret)}
        for form in self._forms:
            self._add(form)

    def _add(self, form: str) -> None:
        text = solid(form)
        if len(text.text) < _SHORT or (len(text.text) <= _LONGEST_WORD and is_word(text.text)):
            self._words.add(" ".join(spaced(form).text.split()))
            return
        self._signs.add(*_parts(text.text, _SHORT))
        self._cut_off.add(*_beginnings(text.text))
        self._signs.add(*_parts(text.letters.text, _WHOLE), *_parts(ascii_letters(form).text, _WHOLE))

    @cached_property
    def _digests(self) -> _Signs:
        """Of passwords, a digest can serve to guess them. They begin so; most runs meet nothing that looks like one."""
        import hashlib

        signs = _Signs()
        for form, name in product(self._forms, _DIGESTS):
            signs.add(hashlib.new(name, _octets(form), usedforsecurity=False).hexdigest()[:_PART])
        return signs

    def __call__(self, reading: DecodedText) -> Iterator[Hit]:
        """What of them is in a reading."""
        text = solid(reading.text)
        for normal in (text, text.letters, *(() if reading.text.isascii() else (ascii_letters(reading.text),))):
            yield from (_hit(reading, normal, *span) for span in self._signs.within(normal.text))
        cuts = [match.end() for match in re.finditer(CUT, text.text)]
        yield from (_hit(reading, text, *span) for span in self._cut_off.before(text.text, cuts))
        whole = Normal(reading.text, range(len(reading.text)))
        yield from (_hit(reading, whole, *match.span()) for match in _DERIVED.finditer(reading.text))
        for run in _DIGEST.finditer(reading.text):
            if any(self._digests.within(run[0].lower())):
                yield _hit(reading, whole, *run.span())
        if reading.is_plausible:
            text = spaced(reading.text)
            found = (span for span in self._words.within(text.text) if _stands_alone(text.text, *span))
            yield from (_hit(reading, text, *span) for span in found)


class _Signs:
    """Stretches of characters, by their lengths."""

    def __init__(self) -> None:
        self._by_length: defaultdict[int, set[str]] = defaultdict(set)

    def add(self, *signs: str) -> None:
        for sign in filter(None, signs):
            self._by_length[len(sign)].add(sign)

    def within(self, text: str) -> Iterator[Span]:
        """Where in a text they stand, also one in another."""
        for length, signs in self._by_length.items():
            stretches = [text[start : start + length] for start in range(len(text) - length + 1)]
            if not signs.isdisjoint(stretches):
                yield from ((start, start + length) for start, each in enumerate(stretches) if each in signs)

    def before(self, text: str, ends: list[int]) -> Iterator[Span]:
        """Those that end there."""
        for length, signs in self._by_length.items():
            yield from ((end - length, end) for end in ends if end >= length and text[end - length : end] in signs)


def _hit(reading: DecodedText, normal: Normal, start: int, end: int) -> Hit:
    """A cut, which shows that a secret goes on, is not a part of it."""
    sign = normal.text[start:end].rstrip(CUT)
    first, last = normal.places[start], normal.places[start + len(sign) - 1]
    return Hit(reading.spans[first][0], reading.spans[last][1], sign)


def _parts(text: str, least: int) -> Iterator[str]:
    """What shows the text: so many characters in a row; of a short one, if it has the least, the whole of it."""
    if len(text) >= least:
        yield from (text[start : start + _PART] for start in range(max(1, len(text) - _PART + 1)))


def _beginnings(text: str) -> Iterator[str]:
    """Of a secret, where the text was cut off in it."""
    return (text[:length] + CUT for length in range(_CUT_SHORT, min(len(text), _PART)))


def _stands_alone(text: str, start: int, end: int) -> bool:
    """No letter follows, nor a dot or hyphen that joins it to one, as in names and numbers."""
    before = text[start].isalnum() and _JOINED_BEFORE.search(text[max(0, start - 2) : start])
    after = text[end - 1].isalnum() and _JOINED_AFTER.match(text, end)
    return not before and not after


def _forms(secret: str) -> Iterator[str]:
    """The secret as it may appear once it is decoded, and as text.clean leaves that."""
    for text in _written(secret):
        misread = () if text.isascii() else filter(_tells_anything, (read(text) for read in _MISREADINGS))
        for form in (text, *misread):
            yield from (form, clean(form, len(form) or 1))


def _written(secret: str) -> set[str]:
    """The secret itself, trimmed, decoded, its lines, and what is left of it when whatever looks encoded is decoded."""
    lines = (line.strip() for line in secret.splitlines() if len(line.strip()) >= 2 * _SHORT)
    found = {secret, secret.strip(), unquote(secret), unquote_plus(secret), secret.replace(" ", "+"), *lines}
    for _ in range(DEPTH):
        secret = unescaped(secret)
        found.add(secret)
    return found


def _octets(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


_MISREADINGS: tuple[Callable[[str], str], ...] = (  # in another charset
    lambda text: _octets(text).decode("latin-1"),
    lambda text: _octets(text).decode("ascii", "replace"),
    lambda text: _octets(text).decode("ascii", "surrogateescape"),
    lambda text: text.encode("ascii", "replace").decode(),
    lambda text: text.encode("latin-1", "replace").decode("utf-8", "replace"),
)


def _tells_anything(text: str) -> bool:
    return any(character.isalnum() for character in text)
