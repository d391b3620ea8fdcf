"""The ways in which a text can be read: as it stands, and with what is encoded in it decoded, again and again."""

from __future__ import annotations

import binascii
import html
import re
import sys
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from checks.core.text import SEQUENCE
from preflight.redaction.normal_form import CUT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Meaning = Callable[[re.Match[str], str], str]

Span = tuple[int, int]

_PATIENCE = 1000  # characters: no server's words are longer, but tracebacks are
DEPTH = 4  # encodings, one inside the other
_LONG = 16  # digits: what fewer of them decode to must be a text, or it is chance

_BASE64 = re.compile(rf"[A-Za-z0-9+/_-]{{6,}}={{0,2}}{CUT}?")
_HEX = re.compile(rf"(?:(?:0[xX])?[0-9A-Fa-f]{{2}}[ :;,-]{{0,2}}){{4,}}[0-9A-Fa-f]?{CUT}?")
_NOT_HEX = re.compile("0[xX]|[^0-9A-Fa-f]")
_DECIMAL = re.compile(rf"(?<![0-9])-?[0-9]{{1,3}}(?:(?:[,;] ?| )-?[0-9]{{1,3}}){{3,}}(?:[,; ]*{CUT})?")
_QUOTED = re.compile(r"(?:=(?:[0-9A-Fa-f]{2}|\s))+")  # of quoted-printable, also the end of a line
_LEGIBLE = re.compile("[^\ufffd]{4,}")
_CONTROLS = dict(zip("nrtbfvae0", "\n\r\t\b\f\v\a\x1b\0", strict=True))
_BETWEEN = re.compile(r"[\s\0]+")  # words
_WRAPPED = re.compile(r"\S{48}\s+\S")
_STANDARD = str.maketrans("-_", "+/")


@dataclass(frozen=True)
class DecodedText:
    """A text, and for each of its characters the part of the original that it was read from."""

    text: str
    spans: Sequence[Span]

    @property
    def key(self) -> tuple[str, Sequence[Span], Sequence[Span]]:
        """The same for readings that show the same at the same place."""
        return self.text, tuple(self.spans[:1]), tuple(self.spans[-1:])

    @property
    def is_plausible(self) -> bool:
        """Whether it is a text, and not what chance makes of something else."""
        return _is_plausible(self.text)


def readings(text: str) -> Iterator[DecodedText]:
    """The text itself comes first, then what one decoding makes of it, then two."""
    first = DecodedText(text, [(start, start + 1) for start in range(len(text))])
    pending, met = deque([(first, 0)]), {first.key}
    while pending:
        reading, depth = pending.popleft()
        yield reading
        for other in (other for way in _WAYS for other in way(reading)) if depth < DEPTH else ():
            if other.key not in met:
                met.add(other.key)
                pending.append((other, depth + 1))


def unescaped(text: str) -> str:
    """The text with one layer of escapes taken off."""
    return _ESCAPE.sub(_meant, text)


def _without_escapes(reading: DecodedText) -> Iterator[DecodedText]:
    return _replaced(reading, _ESCAPE, _meant)


def _from_quoted_printable(reading: DecodedText) -> Iterator[DecodedText]:
    return _replaced(reading, _QUOTED, _quoted)


def _replaced(reading: DecodedText, pattern: re.Pattern[str], meaning: Meaning) -> Iterator[DecodedText]:
    if pattern.search(reading.text):
        first, other = (_each_replaced(reading, pattern, meaning, charset) for charset in ("utf-8", "latin-1"))
        yield first
        if first != other:
            yield other


def _each_replaced(reading: DecodedText, pattern: re.Pattern[str], meaning: Meaning, charset: str) -> DecodedText:
    parts, spans, end = [], [], 0
    for match in pattern.finditer(reading.text):
        meant = meaning(match, charset)
        parts += [reading.text[end : match.start()], meant]
        spans += [*reading.spans[end : match.start()], *[_origin(reading, match)] * len(meant)]
        end = match.end()
    return DecodedText("".join((*parts, reading.text[end:])), [*spans, *reading.spans[end:]])


def _from_base64(reading: DecodedText) -> Iterator[DecodedText]:
    for run in _BASE64.finditer(reading.text):
        digits = run[0].rstrip("=" + CUT).translate(_STANDARD)
        for start in range(4):  # where the encoding began is not known
            end = len(digits) - ((len(digits) - start) % 4 == 1)
            yield from _decoded(reading, run, binascii.a2b_base64(digits[start:end] + "=="))


def _from_hex(reading: DecodedText) -> Iterator[DecodedText]:
    for run in _HEX.finditer(reading.text):
        digits = _NOT_HEX.sub("", run[0])
        for start in range(2):
            end = len(digits) - (len(digits) - start) % 2
            yield from _decoded(reading, run, bytes.fromhex(digits[start:end]))


def _from_decimal(reading: DecodedText) -> Iterator[DecodedText]:
    for run in _DECIMAL.finditer(reading.text):
        numbers = [int(digits) for digits in re.findall("-?[0-9]+", run[0])]
        if all(-128 <= number < 256 for number in numbers):
            yield from _decoded(reading, run, bytes(number & 255 for number in numbers))


def _unwrapped(reading: DecodedText) -> Iterator[DecodedText]:
    if len(reading.text) < _PATIENCE and _WRAPPED.search(reading.text):
        places = [place for place, character in enumerate(reading.text) if not character.isspace()]
        text = "".join([reading.text[place] for place in places])
        yield DecodedText(text, [reading.spans[place] for place in places])


_WAYS: tuple[Callable[[DecodedText], Iterator[DecodedText]], ...] = (
    _without_escapes,
    _from_quoted_printable,
    _from_base64,
    _from_hex,
    _from_decimal,
    _unwrapped,
)


def _decoded(reading: DecodedText, run: re.Match[str], octets: bytes) -> Iterator[DecodedText]:
    """Only the parts that can be read: octets that chance made have few, and few of the ways go on from there."""
    whole = octets.decode(errors="replace")
    if len(run[0]) >= _LONG or _is_plausible(whole):
        text = "\ufffd".join(_LEGIBLE.findall(whole)) + CUT * run[0].endswith(CUT)
        if text:
            yield DecodedText(text, [_origin(reading, run)] * len(text))


def _is_plausible(text: str) -> bool:
    return "\ufffd" not in text and (text.isprintable() or _BETWEEN.sub("", text).isprintable())


def _origin(reading: DecodedText, match: re.Match[str]) -> Span:
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


def _nothing(_: str) -> str:
    return ""


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
    (rf"(?:%[0-9A-Fa-f]?|\\(?:[xu][0-9A-Fa-f]{{0,3}})?|&#?\w{{0,6}})(?={CUT})", _nothing),  # cut off
    (rf"{SEQUENCE}|\[[0-9;]{{0,12}}m", _nothing),  # a terminal's; from a colour somebody may have taken the first octet
)
_ESCAPE = re.compile("|".join(f"({pattern})" for pattern, _ in _ESCAPES))


def _meant(escape: re.Match[str], charset: str = "utf-8") -> str:
    meant = _ESCAPES[(escape.lastindex or 1) - 1][1](escape[0])
    return meant if isinstance(meant, str) else meant.decode(charset, "ignore")  # the end of it may be cut off


def _quoted(run: re.Match[str], charset: str) -> str:
    return bytes.fromhex(re.sub(r"=\s?", "", run[0])).decode(charset, "ignore")
