"""Every secret of the configuration, masked on the way out, in every encoding that a driver may print."""

from __future__ import annotations

import base64
import html
import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, AnyStr
from urllib.parse import quote_plus, unquote, unquote_plus

from checks.words import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

MASK = "***"
_SHORT = 5  # characters: a shorter secret is masked as a word of its own only, or it would eat other words
_CUT = 4  # characters: this much of a secret at the end of a shortened text is one that was cut off there
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

Span = tuple[int, int]


class Redactor:
    """Called with a text, gives it back with every secret replaced by ``***``.

    ``public`` texts (where a key was written) are left alone, so that a password such as ``mistle`` does not hide
    the name of the file to edit.
    """

    def __init__(self, secrets: Iterable[str] = (), public: Iterable[str] = ()) -> None:
        forms = {secret: frozenset(filter(None, _forms(secret))) for secret in secrets if secret.strip()}
        words = {
            form for secret, all_ in forms.items() for form in all_ if _is_word(form) or _is_plain_word(secret, form)
        }
        plain = {text for secret in forms for text in _plain(secret)}
        self._raw = tuple(_bytes(text) for text in sorted(plain) if len(text) >= _SHORT)
        self._needles = tuple(sorted({form for all_ in forms.values() for form in all_} - words))
        self._words = tuple(_word(form) for form in sorted(words))
        self._public = tuple(sorted({text for text in public if text}, key=len, reverse=True))
        self._masked: Callable[[str], str] = lru_cache(4096)(self._mask)

    def __call__(self, text: str) -> str:
        """The text without secrets."""
        return self._masked(text)

    def _mask(self, text: str) -> str:
        spans = [span for needle in self._needles for span in _occurrences(needle, text)]
        spans += [match.span() for word in self._words for match in word.finditer(text)]
        spans += [span for needle in self._needles for span in _cut_off(needle, text)]
        spans += _percent_encoded(self._raw, text) if "%" in text else []
        for start, end in reversed(_merged(spans, self._open(text))):
            text = text[:start] + MASK + text[end:]
        return text

    def _open(self, text: str) -> list[Span]:
        return [span for known in self._public for span in _occurrences(known, text)]


def _plain(secret: str) -> set[str]:
    """The secret itself, trimmed, decoded, and its lines."""
    lines = (line.strip() for line in secret.splitlines() if len(line.strip()) >= 2 * _SHORT)
    return {secret, secret.strip(), unquote(secret), unquote_plus(secret), *lines}


def _forms(secret: str) -> Iterator[str]:
    """The secret as it may appear: each plain form, encoded, and as words.clean leaves that."""
    for text in _plain(secret):
        for encoded in {encode(text) for encode in _ENCODINGS}:
            yield encoded
            yield clean(encoded, len(encoded) or 1)
        yield from _base64(_bytes(text))


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


def _escaped(text: str, quotes: str) -> str:
    return re.sub(f"[\\\\{quotes}]", lambda character: "\\" + character[0], text)


_BOTH_QUOTES = "'\""  # in front of a text they make repr() escape the single quotes

_ENCODINGS: tuple[Callable[[str], str], ...] = (
    str,
    lambda text: quote_plus(text, errors="surrogateescape"),
    lambda text: json.dumps(text)[1:-1],
    lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    lambda text: repr(text)[1:-1],
    lambda text: repr(_BOTH_QUOTES + text)[4:-1],
    lambda text: ascii(text)[1:-1],
    lambda text: ascii(_BOTH_QUOTES + text)[4:-1],
    lambda text: repr(_bytes(text))[2:-1],
    lambda text: repr(_bytes(_BOTH_QUOTES + text))[5:-1],
    lambda text: _escaped(text, "'"),
    lambda text: _escaped(text, '"'),
    lambda text: text.replace("'", "''"),
    lambda text: text.replace('"', '""'),
    html.escape,
    lambda text: html.escape(text, quote=False),
    lambda text: html.escape(text).replace("&#x27;", "&#39;"),
    lambda text: html.escape(text).replace("&#x27;", "&apos;"),
)


def _base64(secret: bytes) -> Iterator[str]:
    """The characters that the secret alone decides, at each of its three alignments inside something encoded."""
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + secret).decode()
        sure = encoded[-(-8 * before // 6) : 8 * (before + len(secret)) // 6]
        if len(sure) >= _SHORT:
            yield sure
            yield sure.replace("+", "-").replace("/", "_")


def _is_word(text: str) -> bool:
    return len(text) < _SHORT or text.lower() in _COMMON


def _is_plain_word(secret: str, form: str) -> bool:
    """A common word is masked as a word only; in base64 nobody takes it for one."""
    return _is_word(secret) and form not in set(_base64(_bytes(secret)))


def _word(text: str) -> re.Pattern[str]:
    start, end = (r"(?<!\w)" if text[0].isalnum() else ""), (r"(?!\w)" if text[-1].isalnum() else "")
    return re.compile(start + re.escape(text) + end)


def _occurrences(needle: AnyStr, text: AnyStr) -> Iterator[Span]:
    start = text.find(needle)
    while start >= 0:
        yield start, start + len(needle)
        start = text.find(needle, start + 1)


def _cut_off(needle: str, text: str) -> Iterator[Span]:
    """The beginning of a needle, where words.clean has cut a long text."""
    end = len(text.removesuffix("…"))
    if end == len(text) or text[max(0, end - _CUT) : end] not in needle:
        return
    for length in range(min(len(needle), end), _CUT - 1, -1):
        if text.startswith(needle[:length], end - length):
            yield end - length, end
            return


def _percent_encoded(secrets: tuple[bytes, ...], text: str) -> Iterator[Span]:
    """Whichever of its characters are encoded, in either case, and with + for a space."""
    for plain in {text, text.replace("+", " ")}:
        decoded, spans = bytearray(), []
        for match in re.finditer(r"%([0-9A-Fa-f]{2})|.", plain, re.DOTALL):
            character = bytes.fromhex(match[1]) if match[1] else _bytes(match[0])
            decoded += character
            spans += [match.span()] * len(character)
        for secret in secrets:
            for start, end in _occurrences(secret, bytes(decoded)):
                first, last = spans[start][0], spans[end - 1][1]
                if "%" in text[first:last]:
                    yield first, last


def _merged(spans: list[Span], public: list[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end in sorted(spans):
        if any(first <= start and end <= last for first, last in public):
            continue
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
