"""Replaces variables in a text as Docker Compose does: ``$NAME``, ``${NAME:-default}``, ``$$``.

https://docs.docker.com/reference/compose-file/interpolation/
"""

from __future__ import annotations

import re
from collections.abc import Callable

Lookup = Callable[[str], str | None]

_DOLLAR = re.compile(r"\$(?:(\$)|([A-Za-z_][A-Za-z0-9_]*)|(\{))")
_BRACED = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:(:?)([-+?])(.*))?")
_MAX_DEPTH = 50  # braces in braces
LONGEST = 1 << 17  # characters: Linux allows no longer variable


class InvalidTemplate(Exception):
    """The text is no template. The message quotes nothing but the names of variables."""


def substituted(text: str, lookup: Lookup, depth: int = 0) -> str:
    """The text with the values of its variables; nothing for one that is not set. Raises InvalidTemplate."""
    parts, position, length = list[str](), 0, 0
    while match := _DOLLAR.search(text, position):
        parts.append(text[position : match.start()])
        position = match.end()
        if match[1]:
            parts.append("$")
        elif match[2]:
            parts.append(lookup(match[2]) or "")
        else:
            end = _closing(text, position, depth)
            parts.append(_value(text[position:end], lookup, depth))
            position = end + 1
        length += len(parts[-1])
        if length > LONGEST:
            raise InvalidTemplate(f"a value is longer than {LONGEST >> 10} KiB")
    return "".join((*parts, text[position:]))


def _closing(text: str, start: int, depth: int) -> int:
    """The position of the brace that closes the one before ``start``."""
    open_ = 1
    for position in range(start, len(text)):
        open_ += {"{": 1, "}": -1}.get(text[position], 0)
        if not open_ and depth < _MAX_DEPTH:
            return position
    raise InvalidTemplate("${ is not closed; write $$ for a dollar sign")


def _value(braced: str, lookup: Lookup, depth: int) -> str:
    match = _BRACED.fullmatch(braced)
    if not match:
        raise InvalidTemplate("${…} names no variable; write $$ for a dollar sign")
    name, colon, operator, text = match.groups()
    value = lookup(name)
    is_given = bool(value) if colon else value is not None
    if operator == "?" and not is_given:
        raise InvalidTemplate(f"the variable {name} is required and not set")
    takes_text = operator and is_given is (operator == "+")
    if takes_text and operator != "?":
        return substituted(text, lookup, depth + 1)
    return value or "" if operator != "+" else ""
