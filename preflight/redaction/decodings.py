"""Decodes a text in every way in which a secret in it may be encoded, up to four encodings deep."""

from __future__ import annotations

import binascii
import html
import re
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from checks.core.text import SEQUENCE
from preflight.redaction.normal_form import CUT

if TYPE_CHECKING:
    DecodeMatch = Callable[[re.Match[str], str], str]

Span = tuple[int, int]

_MAX_WRAPPED = 1000  # characters: a longer text is a traceback, no reply of a server; its lines are not joined
DEPTH = 4  # encodings, one inside another
_LONG_RUN = 16  # characters: what a shorter run decodes to is used only if all of it is text

_BASE64 = re.compile(rf"[A-Za-z0-9+/_-]{{6,}}={{0,2}}{CUT}?")
_HEX = re.compile(rf"(?:(?:0[xX])?[0-9A-Fa-f]{{2}}[ :;,-]{{0,2}}){{4,}}[0-9A-Fa-f]?{CUT}?")
_NOT_HEX = re.compile("0[xX]|[^0-9A-Fa-f]")
_DECIMAL = re.compile(rf"(?<![0-9])-?[0-9]{{1,3}}(?:(?:[,;] ?| )-?[0-9]{{1,3}}){{3,}}(?:[,; ]*{CUT})?")
_QUOTED = re.compile(r"(?:=(?:[0-9A-Fa-f]{2}|\s))+")  # quoted-printable, with soft line breaks
_READABLE = re.compile("[^\ufffd]{4,}")
_CONTROLS = dict(zip("nrtbfvae0", "\n\r\t\b\f\v\a\x1b\0", strict=True))
_SPACES = re.compile(r"[\s\0]+")
_WRAPPED = re.compile(r"\S{48}\s+\S")
_STANDARD = str.maketrans("-_", "+/")


@dataclass(frozen=True)
class DecodedText:
    """A text, and for each of its characters the span of the original text that it was decoded from."""

    text: str
    spans: Sequence[Span]
    is_of_bytes: bool = False  # decoded from hexadecimal digits or the like, which may be those of random bytes

    @property
    def key(self) -> tuple[str, Sequence[Span], Sequence[Span], bool]:
        """Equal for texts that are the same at the same position."""
        return self.text, tuple(self.spans[:1]), tuple(self.spans[-1:]), self.is_of_bytes

    @property
    def is_plausible(self) -> bool:
        """True if it can be a text, and not random bytes."""
        return not self.is_of_bytes or _is_plausible(self.text)


def decoded_texts(text: str) -> Iterator[DecodedText]:
    """The text itself, then all texts that one decoding makes of it, then two."""
    first = DecodedText(text, [(start, start + 1) for start in range(len(text))])
    pending, seen = deque([(first, 0)]), {first.key}
    while pending:
        decoded, depth = pending.popleft()
        yield decoded
        for other in (other for decode in _DECODERS for other in decode(decoded)) if depth < DEPTH else ():
            if other.key not in seen:
                seen.add(other.key)
                pending.append((other, depth + 1))


def unescaped(text: str) -> str:
    """The text with its escapes decoded once."""
    return _ESCAPE.sub(_decode_escape, text)


def _without_escapes(decoded: DecodedText) -> Iterator[DecodedText]:
    yield from _replaced(decoded, _ESCAPE, _decode_escape)
    if _OF_A_TERMINAL.search(decoded.text):
        yield from _replaced(decoded, _NOT_OF_A_TERMINAL, _decode_escape)
    if "\\" in decoded.text:  # which is no escape in HTML, SQL and URLs
        yield from _replaced(decoded, _WITHOUT_BACKSLASH, _decode_escape)


def _from_quoted_printable(decoded: DecodedText) -> Iterator[DecodedText]:
    return _replaced(decoded, _QUOTED, _decode_quoted)


def _replaced(decoded: DecodedText, pattern: re.Pattern[str], decode: DecodeMatch) -> Iterator[DecodedText]:
    if pattern.search(decoded.text):
        first, other = (_each_replaced(decoded, pattern, decode, charset) for charset in ("utf-8", "latin-1"))
        yield first
        if first != other:
            yield other


def _each_replaced(decoded: DecodedText, pattern: re.Pattern[str], decode: DecodeMatch, charset: str) -> DecodedText:
    parts, spans, end = [], [], 0
    for match in pattern.finditer(decoded.text):
        text = decode(match, charset)
        parts += [decoded.text[end : match.start()], text]
        spans += [*decoded.spans[end : match.start()], *[_span(decoded, match)] * len(text)]
        end = match.end()
    text = "".join((*parts, decoded.text[end:]))
    return DecodedText(text, [*spans, *decoded.spans[end:]], decoded.is_of_bytes)


def _from_base64(decoded: DecodedText) -> Iterator[DecodedText]:
    for run in _BASE64.finditer(decoded.text):
        digits = run[0].rstrip("=" + CUT).translate(_STANDARD)
        for start in range(4):  # the first digit of the encoding is not known
            end = len(digits) - ((len(digits) - start) % 4 == 1)
            yield from _from_bytes(decoded, run, binascii.a2b_base64(digits[start:end] + "=="))


def _from_hex(decoded: DecodedText) -> Iterator[DecodedText]:
    for run in _HEX.finditer(decoded.text):
        digits = _NOT_HEX.sub("", run[0])
        for start in range(2):
            end = len(digits) - (len(digits) - start) % 2
            yield from _from_bytes(decoded, run, bytes.fromhex(digits[start:end]))


def _from_decimal(decoded: DecodedText) -> Iterator[DecodedText]:
    for run in _DECIMAL.finditer(decoded.text):
        numbers = [int(digits) for digits in re.findall("-?[0-9]+", run[0])]
        if all(-128 <= number < 256 for number in numbers):
            yield from _from_bytes(decoded, run, bytes(number & 255 for number in numbers))


def _unwrapped(decoded: DecodedText) -> Iterator[DecodedText]:
    if len(decoded.text) < _MAX_WRAPPED and _WRAPPED.search(decoded.text):
        positions = [position for position, character in enumerate(decoded.text) if not character.isspace()]
        text = "".join([decoded.text[position] for position in positions])
        yield DecodedText(text, [decoded.spans[position] for position in positions], decoded.is_of_bytes)


_DECODERS: tuple[Callable[[DecodedText], Iterator[DecodedText]], ...] = (
    _without_escapes,
    _from_quoted_printable,
    _from_base64,
    _from_hex,
    _from_decimal,
    _unwrapped,
)


def _from_bytes(decoded: DecodedText, run: re.Match[str], data: bytes) -> Iterator[DecodedText]:
    """Only the readable parts: random bytes have few, so few of them are decoded further."""
    whole = data.decode(errors="replace")
    if len(run[0]) >= _LONG_RUN or _is_plausible(whole):
        text = "\ufffd".join(_READABLE.findall(whole)) + CUT * run[0].endswith(CUT)
        if text:
            yield DecodedText(text, [_span(decoded, run)] * len(text), is_of_bytes=True)


def _is_plausible(text: str) -> bool:
    return "\ufffd" not in text and (text.isprintable() or _SPACES.sub("", text).isprintable())


def _span(decoded: DecodedText, match: re.Match[str]) -> Span:
    return decoded.spans[match.start()][0], decoded.spans[match.end() - 1][1]


def _hex_digits(text: str) -> str:
    return re.sub(r"\\x|\\u|%u|%|[\\U{}]", "", text)


def _hex_bytes(run: str) -> bytes:
    return bytes.fromhex(_hex_digits(run))


def _octal_bytes(run: str) -> bytes:
    return bytes(int(digits, 8) for digits in run[1:].split("\\"))


def _utf16(run: str) -> str:
    return _hex_bytes(run).decode("utf-16-be", "replace")


def _character(escape: str) -> str:
    number = int(_hex_digits(escape), 16)
    return chr(number) if number <= sys.maxunicode else ""


def _simple(escape: str) -> str:
    return _CONTROLS.get(escape[1], escape[1])


def _nothing(_: str) -> str:
    return ""


# A sequence of a terminal, and a colour without its first byte. Either may also be a part of a secret.
_OF_A_TERMINAL = re.compile(rf"{SEQUENCE}|\[[0-9;]{{0,12}}m")
# The pattern of an escape, or of a run of escapes, and its decoder.
_ESCAPES: tuple[tuple[str, Callable[[str], str | bytes]], ...] = (
    (r"(?:%[0-9A-Fa-f]{2})+", _hex_bytes),
    (r"(?:\\x[0-9A-Fa-f]{2})+", _hex_bytes),
    (r"(?:\\[0-3][0-7]{2})+", _octal_bytes),
    (r"(?:[\\%]u[0-9A-Fa-f]{4})+", _utf16),
    (r"\\u\{[0-9A-Fa-f]{1,6}\}|\\U[0-9A-Fa-f]{8}", _character),
    (r"\\[^\sxuU1-9]", _simple),
    (r"&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]{2,6});", html.unescape),
    ("''|\"\"", lambda quotes: quotes[0]),
    (rf"(?:%[0-9A-Fa-f]?|\\(?:[xu][0-9A-Fa-f]{{0,3}})?|&#?\w{{0,6}})(?={CUT})", _nothing),  # an escape that was cut off
    (_OF_A_TERMINAL.pattern, _nothing),
)


def _any_of(is_wanted: Callable[[str], bool]) -> re.Pattern[str]:
    """Matches the wanted escapes. The number of each group is the number of its row."""
    return re.compile("|".join(f"({pattern if is_wanted(pattern) else '(?!)'})" for pattern, _ in _ESCAPES))


_ESCAPE = _any_of(lambda _: True)
_NOT_OF_A_TERMINAL = _any_of(lambda pattern: pattern != _OF_A_TERMINAL.pattern)
_WITHOUT_BACKSLASH = _any_of(lambda pattern: "\\" not in pattern)


def _decode_escape(escape: re.Match[str], charset: str = "utf-8") -> str:
    text = _ESCAPES[(escape.lastindex or 1) - 1][1](escape[0])
    return text if isinstance(text, str) else text.decode(charset, "ignore")  # its end may be cut off


def _decode_quoted(run: re.Match[str], charset: str) -> str:
    return bytes.fromhex(re.sub(r"=\s?", "", run[0])).decode(charset, "ignore")
