"""``trim`` and ``Number`` as JavaScript defines them: Mistle uses them, and Python differs in rare cases."""

from __future__ import annotations

import re

# What String.prototype.trim removes. Python's strip() also takes \x1c-\x1f and \x85, and leaves \ufeff.
_SPACE = (
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)
_DECIMAL = re.compile(r"[+-]?(Infinity|([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?)")
_BASES = {"0x": 16, "0o": 8, "0b": 2}

SAFE_INTEGER = 2**53 - 1


def trim(text: str) -> str:
    """``text.trim()``."""
    return text.strip(_SPACE)


def number(text: str) -> float:
    """``Number(text)``: blank is 0. Raises ValueError where JavaScript returns NaN."""
    text = trim(text)
    if not text:
        return 0
    base = _BASES.get(text[:2].lower())
    if base is not None:
        return _digits(text[2:], base)
    if not _DECIMAL.fullmatch(text):
        raise ValueError("not a number to JavaScript")
    return float(text)


def _digits(text: str, base: int) -> float:
    if not text.isalnum() or not text.isascii():  # int() would take signs and underscores
        raise ValueError("not a number to JavaScript")
    return int(text, base)
