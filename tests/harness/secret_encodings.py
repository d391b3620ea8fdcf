"""The encodings of a secret, and the search of an attacker for it in a report; independent of the redactor."""

import base64
import binascii
import html
import json
import quopri
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from urllib.parse import quote, quote_plus, unquote
from xml.sax.saxutils import escape


def _percent(text: str, form: str = "%{:02X}") -> str:
    return "".join(form.format(byte) for byte in _octets(text))


def _octets(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


def _base64(text: str) -> str:
    return base64.b64encode(_octets(text)).decode()


ENCODINGS: Mapping[str, Callable[[str], str]] = {
    "raw": str,
    "URL": lambda text: quote(text, safe="", errors="surrogatepass"),
    "URL, slashes kept": lambda text: quote(text, errors="surrogatepass"),
    "URL, lower case": lambda text: re.sub("%..", lambda m: m[0].lower(), quote(text, safe="", errors="surrogatepass")),
    "URL, every character": _percent,
    "URL, twice": lambda text: quote(quote(text, safe="", errors="surrogatepass"), safe=""),
    "form": lambda text: quote_plus(text, errors="surrogatepass"),
    "JavaScript's escape": lambda text: "".join(f"%u{ord(c):04x}" if ord(c) in range(256, 65536) else c for c in text),
    "JSON": lambda text: json.dumps({"echo": text}),
    "JSON, not ASCII": lambda text: json.dumps([text], ensure_ascii=False),
    "JSON, every character": lambda text: re.sub("(....)", r"\\u\1", text.encode("utf-16-be", "surrogatepass").hex()),
    "JSON in JSON": lambda text: json.dumps({"error": json.dumps({"echo": text})}),
    "JSON, for HTML": lambda text: json.dumps(text).replace("<", "\\u003c").replace("&", "\\u0026").replace("/", "\\/"),
    "repr": repr,
    "repr, both quotes": lambda text: repr(f"\"it's {text}"),
    "ascii": ascii,
    "repr of bytes": lambda text: repr(_octets(text)),
    "C, hexadecimal": lambda text: _percent(text, "\\x{:02x}"),
    "C, octal": lambda text: _percent(text, "\\{:03o}"),
    "HTML": html.escape,
    "XML": lambda text: escape(text, {'"': "&quot;", "'": "&apos;"}),
    "HTML, every character": lambda text: "".join(f"&#{ord(character)};" for character in text),
    "HTML, hexadecimal": lambda text: "".join(f"&#x{ord(character):X};" for character in text),
    "HTML in a URL": lambda text: quote(html.escape(text), safe="", errors="surrogatepass"),
    "SQL": lambda text: "'" + text.replace("'", "''") + "'",
    "SQL, identifier": lambda text: '"' + text.replace('"', '""') + '"',
    "SQL, escaped": lambda text: "E'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'",
    "base64": _base64,
    "base64, one later": lambda text: _base64(f"x{text}"),
    "base64, two later": lambda text: _base64(f"xy{text}"),
    "base64 without padding": lambda text: _base64(text).rstrip("="),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(_octets(f"user:{text}?")).decode(),
    "base64 in a URL": lambda text: quote(_base64(text), safe=""),
    "base64 in lines": lambda text: base64.encodebytes(_octets(text)).decode(),
    "base64, twice": lambda text: _base64(_base64(text)),
    "base64 of JSON": lambda text: _base64(json.dumps({"password": text})),
    "Basic": lambda text: f"Basic {_base64(f'user:{text}')}",
    "PLAIN of SMTP": lambda text: _base64(f"\0user\0{text}"),
    "hexadecimal": lambda text: _octets(text).hex(),
    "hexadecimal, capitals": lambda text: _octets(text).hex().upper(),
    "hexadecimal, colons": lambda text: _octets(text).hex(":"),
    "hexadecimal, spaces": lambda text: _octets(text).hex(" "),
    "bytes of Postgres": lambda text: "\\x" + _octets(text).hex(),
    "hexadecimal, 0x": lambda text: ", ".join(f"0x{octet:02x}" for octet in _octets(text)),
    "decimal": lambda text: str([*_octets(text)]),
    "quoted-printable": lambda text: quopri.encodestring(_octets(text)).decode(),
    "upper case": str.upper,
    "lower case": str.lower,
    "lines": lambda text: "\n".join(re.findall("(?s).{1,60}", text)),
    "short lines": lambda text: "\r\n".join(re.findall("(?s).{1,7}", text)),
    "Latin-1": lambda text: _octets(text).decode("latin-1"),
    "question marks": lambda text: text.encode("ascii", "replace").decode(),
}

WINDOW = 12  # letters and digits of a secret in a row; fewer may occur by chance


def core(text: str) -> str:
    return "".join(filter(str.isalnum, text))


def windows(text: str) -> set[str]:
    letters = core(text)
    return {letters[start : start + WINDOW] for start in range(len(letters) - WINDOW + 1)}


def leaks(texts: Iterable[str], secrets: Iterable[str], public: str = "") -> list[tuple[str, str]]:
    """Each secret that can be read in a text, complete or in part, with the characters that show it.

    Characters that the `public` text holds too show no secret, and its lines are not searched.
    """
    lines = {line for text in texts for line in text.split("\n")} - set(public.split("\n"))
    read, public = "\n".join(_readings("\n".join(sorted(lines)))).lower(), public.lower()
    letters, common = core(read), windows(public)
    secrets = [secret.lower() for secret in secrets]
    complete = ((secret, sign) for secret in secrets for sign in {secret, secret.strip()} if sign not in public)
    parts = ((secret, sign) for secret in secrets for sign in windows(secret) - common)
    return [leak for leak in complete if leak[1] in read] + [leak for leak in parts if leak[1] in letters]


def _readings(text: str, depth: int = 2) -> Iterator[str]:
    yield text
    for decode in _DECODERS if depth else ():
        decoded = decode(text)
        if decoded != text:
            yield from _readings(decoded, depth - 1)


def _from_base64(text: str) -> str:
    runs = re.findall(r"[A-Za-z0-9+/_-]{8,}", text)
    return "\n".join(_without_base64(run[start:]) for run in runs for start in range(4))


def _without_base64(run: str) -> str:
    digits = run.replace("-", "+").replace("_", "/")
    return binascii.a2b_base64(digits[: len(digits) // 4 * 4]).decode(errors="replace")


def _from_hex(text: str) -> str:
    runs = re.findall(r"(?:(?:0x)?[0-9A-Fa-f]{2}[: ,]{0,2}){6,}", text)
    return "\n".join(bytes.fromhex(re.sub("0x|[: ,]", "", run)).decode(errors="replace") for run in runs)


def _from_decimal(text: str) -> str:
    runs = re.findall(r"[0-9]{1,3}(?:, ?[0-9]{1,3}){6,}", text)
    octets = (bytes(number & 255 for number in map(int, re.findall("[0-9]+", run))) for run in runs)
    return "\n".join(each.decode(errors="replace") for each in octets)


def _from_escapes(text: str) -> str:
    octets = re.sub(rb"\\x([0-9A-Fa-f]{2})", lambda escape: bytes([int(escape[1], 16)]), _octets(text))
    octets = re.sub(rb"\\([0-3][0-7]{2})", lambda escape: bytes([int(escape[1], 8)]), octets)
    return octets.decode(errors="replace").replace("\\", "")


def _from_json(text: str) -> str:
    return re.sub(r"\\u([0-9A-Fa-f]{4})", lambda escape: chr(int(escape[1], 16)), text).replace("\\", "")


_DECODERS: tuple[Callable[[str], str], ...] = (
    unquote,
    html.unescape,
    _from_escapes,
    _from_json,
    _from_base64,
    _from_hex,
    _from_decimal,
    lambda text: quopri.decodestring(_octets(text)).decode(errors="replace"),
)
