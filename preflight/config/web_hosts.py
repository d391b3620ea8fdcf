"""The host of an http or ws URL, as `new URL` reads it: names become those that DNS has, short IPv4 addresses long."""

from __future__ import annotations

import ipaddress
import re
from unicodedata import category, normalize

_LAST_IS_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_IGNORED = re.compile("[\u00ad\u034f\u200b\u2060\u2064\ufe00-\ufe0f\ufeff]")  # invisible, and dropped from a name


class BadUrl(Exception):
    """Mistle cannot use the text as a URL. ``reason`` holds no part of the text."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def read(host: str) -> str:
    """The host as DNS has it, in lower case. Raises BadUrl."""
    labels = normalize("NFKC", _IGNORED.sub("", host.lower())).replace("。", ".").split(".")
    name = ".".join(map(_label, labels))
    return _ipv4(name) if _LAST_IS_NUMBER.fullmatch(name.removesuffix(".").rpartition(".")[2]) else name


def _label(label: str) -> str:
    if label.startswith("xn--"):
        return _encoded(label)
    if label.isascii():
        return label
    if category(label[0]).startswith("M") or not label.isprintable():
        raise BadUrl("the host holds an invisible character, or an accent without its letter: type the name again")
    return f"xn--{label.encode('punycode').decode()}"


def _encoded(label: str) -> str:
    """A label that is encoded already: it must be what encoding its text gives."""
    try:
        text = label[4:].encode("ascii").decode("punycode")
    except (UnicodeError, OverflowError):
        text = ""
    if not text or (not text.isascii() and _label(text) != label):
        raise BadUrl("a part of the host begins with xn--, and is no encoded name: write the name itself")
    return label


def _ipv4(host: str) -> str:
    """127.1 is 127.0.0.1, and each number may be octal (010) or hexadecimal (0x8)."""
    try:
        *bytes_, last = map(_number, host.removesuffix(".").split("."))
        if len(bytes_) > 3 or any(byte > 255 for byte in bytes_) or last >= 256 ** (4 - len(bytes_)):
            raise ValueError("out of range")
        return str(ipaddress.IPv4Address(bytes((*bytes_, *last.to_bytes(4 - len(bytes_))))))
    except ValueError:
        raise BadUrl("the host ends in a number, and is not an IPv4 address, whose numbers are at most 255") from None


def _number(digits: str) -> int:
    """One number of an IPv4 address. Raises ValueError."""
    if not re.fullmatch(r"[0-9]+|0x[0-9a-f]*", digits):
        raise ValueError("not a number")
    if digits.startswith("0x"):
        return int(digits[2:] or "0", 16)
    return int(digits, 8 if digits.startswith("0") else 10)
