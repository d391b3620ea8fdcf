"""Reads the configuration's file, which may be any file."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from checks.core import files
from checks.core.text import clean
from preflight.config.origin import InFile
from preflight.config.schema.forms import TYPOGRAPHIC
from preflight.config.schema.keys import KEYS, VERSION
from preflight.config.sources.toml_lines import Line, lines, twice
from preflight.config.tree import Tree

STANDARD_INPUT = "standard input"  # its name in messages
_LIMIT = 1 << 17  # bytes: the limit of a variable in Linux, and many times the largest real configuration
_NAME = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+"""
_DEEP = re.compile(
    rf"(?<![\w-])(?:{_NAME}\.[ \t]*+){{100}}"
)  # tomllib takes gigabytes for a name of thousands of parts
_NESTED = "is nested too deeply: no Mistle configuration is"
_QUOTES = tuple(TYPOGRAPHIC)
_VERSIONS = re.compile(rf"({'|'.join(key.section for key in KEYS if key.path.endswith(VERSION))})\.[0-9]{{1,8}}")
_POSITION = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_MESSAGES = (  # instead of tomllib's, which may quote the file
    ("Invalid value", "a value is not TOML: text needs quotes"),
    ("Invalid statement", "this line is neither key = value nor [table]"),
    ("Invalid date", "a date or time that does not exist"),
    ("Expected '='", "a key without = value"),
    ("Expected newline", "something follows the value on its line"),
    ("Expected ']", "a bracket is not closed"),
    ("Expected", "a bracket or quote is not closed"),
    ("Cannot overwrite", "a key or table is given twice"),
    ("Cannot declare", "a table is given twice"),
    ("Cannot mutate", "a table or list is extended after it was complete"),
    ("Duplicate", "a key is given twice"),
    ("Unterminated", "a string is not closed"),
    ("Unclosed", "a bracket is not closed"),
    ("Unescaped", "a \\ in a string: double it, or use single quotes"),
    ("Illegal character", "a control character"),
    ("Found invalid character", "a control character"),
)
_TWICE = ("Cannot overwrite", "Cannot declare", "Cannot mutate")
_BYTE_ORDER_MARKS = (
    (b"\xff\xfe", "is UTF-16: save it as UTF-8 without a byte order mark"),
    (b"\xfe\xff", "is UTF-16: save it as UTF-8 without a byte order mark"),
    (b"\xef\xbb\xbf", "begins with a byte order mark: save it as UTF-8 without one"),
)


class ConfigError(Exception):
    """The configuration cannot be read. The message is one line, and quotes nothing of the file but names of keys."""


@dataclass(frozen=True)
class TomlFile:
    """A file: its name without directories, its tree, and the line of each key and table by dotted path."""

    name: str
    tree: Tree = field(repr=False)
    lines: Mapping[str, Line] = field(repr=False)

    def position(self, path: str) -> InFile:
        """The line of the key, else of the innermost table that it belongs in, else the file without a line."""
        while path and path not in self.lines:
            path = path.rpartition(".")[0]
        line = self.lines.get(path)
        return InFile(self.name, line.number, line.name) if line else InFile(self.name)


def read(source: Path | int, seconds: float) -> TomlFile:
    """Read a file or a pipe; of a descriptor, standard input. Raises ConfigError, also after ``seconds``."""
    shown = STANDARD_INPUT if isinstance(source, int) else clean(str(source), 300)
    text = _text(_bytes(source, shown, seconds), shown)
    if _DEEP.search(text):
        raise ConfigError(f"{shown} {_NESTED}")
    name = STANDARD_INPUT if isinstance(source, int) else clean(source.name, 80)
    try:
        return TomlFile(name, tomllib.loads(text), lines(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{shown} is not TOML: {_message(str(error), text)}") from None
    except RecursionError:
        raise ConfigError(f"{shown} {_NESTED}") from None
    except ValueError:
        raise ConfigError(f"{shown} holds a number of thousands of digits: no Mistle configuration does") from None


def _bytes(source: Path | int, shown: str, seconds: float) -> bytes:
    try:
        return files.read(source, _LIMIT, seconds)
    except files.UnreadableFile as error:
        raise ConfigError(f"{shown} {error}") from None


def _text(content: bytes, shown: str) -> str:
    for mark, message in _BYTE_ORDER_MARKS:
        if content.startswith(mark):
            raise ConfigError(f"{shown} {message}")
    if b"\0" in content:
        line = content.count(b"\n", 0, content.index(b"\0")) + 1
        raise ConfigError(f"{shown} holds a NUL character (line {line}): it is not a text file")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{shown} is not UTF-8 (at byte {error.start}): save it as UTF-8") from None


def _message(of_tomllib: str, text: str) -> str:
    if duplicate := _duplicate(of_tomllib, text):
        return duplicate
    position = _POSITION.search(of_tomllib)
    message = next((ours for theirs, ours in _MESSAGES if of_tomllib.startswith(theirs)), "it cannot be parsed")
    if position and position[1] and text.split("\n")[int(position[1]) - 1][int(position[2]) - 1 :].startswith(_QUOTES):
        message = "a value has typographic quotes: write straight ones"
    if position and position[1]:
        return f"{message} (line {position[1]}, column {position[2]})"
    return f"{message} (at the end of the file)" if position else message


def _duplicate(of_tomllib: str, text: str) -> str:
    """The message for a key or table that is given twice; "" if it is none of Mistle's, whose name is not quoted."""
    if not of_tomllib.startswith(_TWICE) or not (found := twice(text)):
        return ""
    name, first, second = found
    path = name.strip("[]")
    is_known = _VERSIONS.fullmatch(path) or any(f"{key.path}.".startswith(f"{path}.") for key in KEYS)
    return f"{name} is given twice (lines {first} and {second}): keep one" if is_known else ""
