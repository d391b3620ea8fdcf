"""What to look for, so that a secret is found however it is written: the whole of it, a part, what was made with it."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, unquote_plus

from checks.words import clean
from preflight.readings import CUT, unescaped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from preflight.readings import Reading, Span

_SHORT = 5  # characters: a shorter secret is looked for as a word of its own only, or it would eat other words
_CUT_SHORT = 4  # characters: this much of a secret where a text was cut off is a secret that was cut off there
_PART = 12  # letters and digits: this many of a secret in a row are a part of it, and not chance
_WHOLE = 8  # the same, where they are all that it has
_APART = f"*{CUT}"
_COMMON = frozenset(
    re.findall(
        r"\w+",
        """
        access admin adminadmin administrator api assets auth bucket bucket_name certificate changeme check
        client config connection control_plane dashboard data_plane database default development docker
        email endpoint environment error gateway global google guest host key key_prefix letmein localhost
        message minio minioadmin mistle network object_store password plane policy pooled_url postgres
        postgresql preflight private production public redis region role sandbox schema secret
        secret_access_key server service services smtp storage telemetry test testing timeout token trusted
        url user username valkey value version worker workflow
        """,
    )
)
# What is made with a secret, and serves in its place or to guess it: tokens, signatures (not the digests of images),
# and what is sent of passwords.
_DERIVED = re.compile(
    r"eyJ[\w-]{6,}(?:\.[\w-]+)*|(?<![\w:])[0-9a-f]{64}(?!\w)|\bmd5[0-9a-f]{32}\b|\bp=[A-Za-z0-9+/]{43}="
)


class Needles:
    """Finds the secrets in the readings of a text."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets if secret.strip() for form in _forms(secret) if form}
        words = {form for form in forms if len(form) < _SHORT or form.lower() in _COMMON}
        self._wholes = tuple(sorted(forms - words))
        self._words = tuple(map(_word, sorted(words)))
        cores = {core.text for form in forms - words for core in _cores(form)}
        self._cores = tuple(sorted(core for core in cores if _WHOLE <= len(core) < _PART))
        self._parts = frozenset(part for core in cores for part in _parts(core))

    def __call__(self, reading: Reading) -> Iterator[Span]:
        """Where in the original text they stand."""
        found = [*self._found(reading.text), *(match.span() for match in _DERIVED.finditer(reading.text))]
        if reading.is_plausible:
            found += [match.span() for word in self._words for match in word.finditer(reading.text)]
        return ((reading.spans[start][0], reading.spans[end - 1][1]) for start, end in found)

    def _found(self, text: str) -> Iterator[Span]:
        for whole in self._wholes:
            if whole in text:
                yield from occurrences(whole, text)
            if CUT in text:
                yield from _cut_off(whole, text)
        for core in _cores(text):
            for start, end in self._found_core(core.text):
                yield core.places[start], core.places[end - 1] + 1

    def _found_core(self, core: str) -> Iterator[Span]:
        for whole in self._cores:
            if whole in core:
                yield from occurrences(whole, core)
        for start in range(len(core) - _PART + 1):
            if core[start : start + _PART] in self._parts:
                yield start, start + _PART


def occurrences(needle: str, text: str) -> Iterator[Span]:
    """Where it stands, also where it overlaps itself."""
    start = text.find(needle)
    while start >= 0:
        yield start, start + len(needle)
        start = text.find(needle, start + 1)


def _forms(secret: str) -> Iterator[str]:
    """The secret as it may appear once it is decoded, and as words.clean leaves that."""
    for text in _written(secret):
        misread = () if text.isascii() else filter(_tells_anything, (read(text) for read in _MISREADINGS))
        for form in (text, *misread):
            yield form
            yield clean(form, len(form) or 1)


def _written(secret: str) -> set[str]:
    """The secret itself, trimmed, decoded, its lines, and what is left of it when whatever looks encoded is decoded."""
    lines = (line.strip() for line in secret.splitlines() if len(line.strip()) >= 2 * _SHORT)
    found = {secret, secret.strip(), unquote(secret), unquote_plus(secret), secret.replace(" ", "+"), *lines}
    while (secret := unescaped(secret)) not in found:
        found.add(secret)
    return found


def _octets(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


_MISREADINGS: tuple[Callable[[str], str], ...] = (  # by whom speaks another language
    lambda text: _octets(text).decode("latin-1"),
    lambda text: _octets(text).decode("ascii", "replace"),
    lambda text: _octets(text).decode("ascii", "surrogateescape"),
    lambda text: text.encode("ascii", "replace").decode(),
    lambda text: text.encode("latin-1", "replace").decode("utf-8", "replace"),
    lambda text: unicodedata.normalize("NFC", text),
    lambda text: unicodedata.normalize("NFD", text),
    lambda text: unicodedata.normalize("NFKC", text),
)


def _tells_anything(text: str) -> bool:
    return any(character.isalnum() for character in text)


class _Core(NamedTuple):
    """The letters and digits of a text, and where they stand in it."""

    text: str
    places: Sequence[int]


def _cores(text: str) -> Iterator[_Core]:
    """All of them, and those that are ASCII: whoever misreads a secret leaves these. Masks and cuts keep them apart."""
    places = [place for place, character in enumerate(text) if character.isalnum() or character in _APART]
    yield _Core("".join([text[place] for place in places]), places)
    if not text.isascii():
        places = [place for place in places if text[place].isascii() or text[place] in _APART]
        yield _Core("".join([text[place] for place in places]), places)


def _parts(core: str) -> Iterator[str]:
    return (core[start : start + _PART] for start in range(len(core) - _PART + 1))


def _word(text: str) -> re.Pattern[str]:
    """It stands by itself: no letter follows, nor a dot or hyphen that joins it to one, as in names and numbers."""
    start = r"(?<!\w)(?<!\w[.-])" if text[0].isalnum() else ""
    end = r"(?!\w)(?![.-]\w)" if text[-1].isalnum() else ""
    return re.compile(start + re.escape(text) + end)


def _cut_off(needle: str, text: str) -> Iterator[Span]:
    """The beginning of a needle, where the text was cut."""
    for end, _ in occurrences(CUT, text):
        if text[max(0, end - _CUT_SHORT) : end] not in needle:
            continue
        lengths = range(min(len(needle), end), _CUT_SHORT - 1, -1)
        if length := next((each for each in lengths if text.startswith(needle[:each], end - each)), 0):
            yield end - length, end
