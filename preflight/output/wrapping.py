"""Long lines on a terminal: broken between words, and indented as what they belong to.

Not by rich: it cannot indent the rest of a line below its first word, and it repeats the colour codes on each line.
"""

from __future__ import annotations

import re

_PARTS = re.compile(r"\x1b\[[0-9;]*m|[^\S\n]+|(?:(?!\x1b\[)\S)+")
_INDENT = re.compile(r"(?:\x1b\[[0-9;]*m|\s)*(?:(?:→|->|✓|✗|!|–)(?:\x1b\[[0-9;]*m)* )?")  # noqa: RUF001 - a dash
_COMMAND = re.compile(r" +\$ ")  # it stays a line that can be copied
_SGR = re.compile(r"\x1b\[[0-9;]*m")


def wrapped(text: str, columns: int) -> str:
    """The text in lines of at most ``columns``, unless a word is longer. Colours have no width."""
    return "\n".join(_wrapped(line, columns) for line in text.split("\n"))


def _wrapped(line: str, columns: int) -> str:
    if _width(line) <= columns or _COMMAND.match(line):
        return line
    start, parts = _INDENT.match(line), _PARTS.findall(line)
    longest = max((_width(part) for part in parts if not part.isspace() and _width(part) <= columns), default=0)
    indent = " " * min(_width(start[0]) if start else 0, columns // 2, columns - longest)
    lines, width = [""], 0
    for part in parts:
        if width + _width(part) > columns and width > len(indent):
            lines[-1] = lines[-1].rstrip(" ")
            lines.append(indent)
            width = len(indent)
        if not (part.isspace() and len(lines) > 1 and width == len(indent)):
            lines[-1] += part
            width += _width(part)
    return "\n".join(lines)


def _width(text: str) -> int:
    return len(_SGR.sub("", text))
