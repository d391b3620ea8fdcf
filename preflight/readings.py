"""The ways in which a text can be read: as it stands, and with what is encoded in it decoded, again and again."""

from __future__ import annotations

import binascii
import html
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Span = tuple[int, int]

CUT = "…"  # where words.clean has cut a long text
_PATIENCE = 1000  # characters: no server's words are longer, but tracebacks are
_DEPTH = 4  # encodings, one inside the other
_LONG = 16  # digits: what fewer of them decode to must be a text, or it is chance

_BASE64 = re.compile(rf"[A-Za-z0-9+/_-]{{6,}}={{0,2}}{CUT}?")
_HEX = re.compile(rf"(?:[0-9A-Fa-f]{{2}}[ :,-]?){{4,}}[0-9A-Fa-f]?{CUT}?")
_CONTROLS = dict(zip("nrtbfva0", "\n\r\t\b\f\v\a\0", strict=True))
_BETWEEN = re.compile(r"[\s\0]+")  # words
_WRAPPED = re.compile(r"\S{48}\s+\S")
_STANDARD = str.maketrans("-_", "+/")


@dataclass(frozen=True)
class Reading:
    """A text, and for each of its characters the part of the original that it was read from."""

    text: str
    spans: Sequence[Span]

    @property
    def is_plausible(self) -> bool:
        """Whether it is a text, and not what chance makes of something else."""
        return _is_plausible(self.text)


def readings(text: str) -> Iterator[Reading]:
    """The text itself comes first."""
    return _all(Reading(text, [(start, start + 1) for start in range(len(text))]), _DEPTH)


def unescaped(text: str) -> str:
    """The text with one layer of escapes taken off."""
    return _ESCAPE.sub(_meant, text)


def _all(reading: Reading, depth: int) -> Iterator[Reading]:
    yield reading
    for way in _WAYS if depth else ():
        for other in way(reading):
            yield from _all(other, depth - 1)


def _without_escapes(reading: Reading) -> Iterator[Reading]:
    if _ESCAPE.search(reading.text):
        first, other = (_unescaped(reading, charset) for charset in ("utf-8", "latin-1"))
        yield first
        if first != other:
            yield other


def _unescaped(reading: Reading, charset: str) -> Reading:
    parts, spans, end = [], [], 0
    for escape in _ESCAPE.finditer(reading.text):
        meant = _meant(escape, charset)
        parts += [reading.text[end : escape.start()], meant]
        spans += [*reading.spans[end : escape.start()], *[_origin(reading, escape)] * len(meant)]
        end = escape.end()
    return Reading("".join((*parts, reading.text[end:])), [*spans, *reading.spans[end:]])


def _from_base64(reading: Reading) -> Iterator[Reading]:
    for run in _BASE64.finditer(reading.text):
        digits = run[0].rstrip("=" + CUT).translate(_STANDARD)
        for start in range(4):  # where the encoding began is not known
            end = len(digits) - ((len(digits) - start) % 4 == 1)
            yield from _decoded(reading, run, binascii.a2b_base64(digits[start:end] + "=="))


def _from_hex(reading: Reading) -> Iterator[Reading]:
    for run in _HEX.finditer(reading.text):
        digits = re.sub("[^0-9A-Fa-f]", "", run[0])
        for start in range(2):
            end = len(digits) - (len(digits) - start) % 2
            yield from _decoded(reading, run, bytes.fromhex(digits[start:end]))


def _unwrapped(reading: Reading) -> Iterator[Reading]:
    if len(reading.text) < _PATIENCE and _WRAPPED.search(reading.text):
        places = [place for place, character in enumerate(reading.text) if not character.isspace()]
        text = "".join([reading.text[place] for place in places])
        yield Reading(text, [reading.spans[place] for place in places])


_WAYS: tuple[Callable[[Reading], Iterator[Reading]], ...] = (_without_escapes, _from_base64, _from_hex, _unwrapped)


def _decoded(reading: Reading, run: re.Match[str], octets: bytes) -> Iterator[Reading]:
    text = octets.decode(errors="replace")
    if run[0].endswith(CUT):
        text = text.rstrip("\ufffd") + CUT
    if len(run[0]) >= _LONG or _is_plausible(text):
        yield Reading(text, [_origin(reading, run)] * len(text))


def _is_plausible(text: str) -> bool:
    return "\ufffd" not in text and (text.isprintable() or _BETWEEN.sub("", text).isprintable())


def _origin(reading: Reading, match: re.Match[str]) -> Span:
    return reading.spans[match.start()][0], reading.spans[match.end() - 1][1]


def _hex(text: str) -> str:
    return re.sub(r"\\x|\\u|%u|%|[\\U{}]", "", text)


def _octets(run: str) -> bytes:
    return bytes.fromhex(_hex(run))


def _octal(run: str) -> bytes:
    return bytes(int(digits, 8) for digits in run[1:].split("\\"))


def _utf16(run: str) -> str:
    return _octets(run).decode("utf-16-be", "replace")


def _character(escape: str) -> str:
    number = int(_hex(escape), 16)
    return chr(number) if number <= sys.maxunicode else ""


def _simple(escape: str) -> str:
    return _CONTROLS.get(escape[1], escape[1])


# What an escape, or a run of them, looks like; and what it means.
_ESCAPES: tuple[tuple[str, Callable[[str], str | bytes]], ...] = (
    (r"(?:%[0-9A-Fa-f]{2})+", _octets),
    (r"(?:\\x[0-9A-Fa-f]{2})+", _octets),
    (r"(?:\\[0-3][0-7]{2})+", _octal),
    (r"(?:[\\%]u[0-9A-Fa-f]{4})+", _utf16),
    (r"\\u\{[0-9A-Fa-f]{1,6}\}|\\U[0-9A-Fa-f]{8}", _character),
    (r"\\[^\sxuU1-9]", _simple),
    (r"&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]{2,6});", html.unescape),
    (r"''|\"\"", lambda quotes: quotes[0]),
    (rf"(?:%[0-9A-Fa-f]?|\\(?:[xu][0-9A-Fa-f]{{0,3}})?|&#?\w{{0,6}})(?={CUT})", lambda _: ""),  # cut off
)
_ESCAPE = re.compile("|".join(f"({pattern})" for pattern, _ in _ESCAPES))


def _meant(escape: re.Match[str], charset: str = "utf-8") -> str:
    meant = _ESCAPES[(escape.lastindex or 1) - 1][1](escape[0])
    return meant if isinstance(meant, str) else meant.decode(charset, "ignore")  # the end of it may be cut off
