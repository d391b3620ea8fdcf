"""Reads the configuration's file, whatever it turns out to be, and finds the line of each key."""

from __future__ import annotations

import json
import re
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from checks.words import clean

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LIMIT = 1 << 20  # bytes: a hundred times the largest real configuration
_PATIENCE = 2 * _LIMIT  # characters parsed in search of lines: a value of many lines is tried at each of them

_BARE = re.compile(r"[A-Za-z0-9_-]+|<version>")  # and the schema's own placeholder
_WHERE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_COMPLAINTS = (  # tomllib's words may quote the file, ours do not
    ("Invalid value", "a value is not TOML: text needs quotes"),
    ("Invalid statement", "this line is neither key = value nor [table]"),
    ("Expected '='", "a key without = value"),
    ("Expected newline", "something follows the value on its line"),
    ("Cannot overwrite", "a key or table is given twice"),
    ("Cannot declare", "a table is given twice"),
    ("Cannot mutate", "a table or list is extended after it was complete"),
    ("Invalid date", "a date or time that does not exist"),
    ("Duplicate", "a key is given twice"),
    ("Unterminated", "a string is not closed"),
    ("Unescaped", "a \\ in a string: double it, or use single quotes"),
    ("Illegal character", "a control character"),
    ("Found invalid character", "a control character"),
    ("Unclosed", "a bracket is not closed"),
    ("Expected ']", "a bracket is not closed"),
    ("Expected", "a bracket or quote is not closed"),
)


class ConfigError(Exception):
    """The configuration cannot be read at all: one clear line, which holds nothing of the file's contents."""


@dataclass(frozen=True)
class TomlFile:
    """A file's tree, and the line of each key and table by its dotted path (without what ``lines`` could not find)."""

    name: str = ""
    tree: Mapping[str, object] = field(default_factory=dict, repr=False)
    lines: Mapping[str, int] = field(default_factory=dict, repr=False)

    def place(self, path: str) -> str:
        """``mistle.toml:42``: the line of the key, else of the innermost table that it belongs in, else the file alone."""
        while path and path not in self.lines:
            path = path.rpartition(".")[0]
        return f"{self.name}:{self.lines[path]}" if path else self.name


def read(path: Path) -> TomlFile:
    """Read a file. Raises ConfigError."""
    shown = clean(str(path), 300)
    text = _text(_bytes(path, shown), shown)
    try:
        return TomlFile(clean(path.name, 80), tomllib.loads(text), _lines(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{shown} is not TOML: {_complaint(str(error))}") from None
    except RecursionError:
        raise ConfigError(f"{shown} is nested too deeply: no Mistle configuration is") from None
    except ValueError:  # an integer of thousands of digits
        raise ConfigError(f"{shown} holds a number or date that is impossible") from None


def dotted(names: tuple[str, ...]) -> str:
    """A key's path as TOML writes it."""
    return ".".join(name if _BARE.fullmatch(name) else json.dumps(name, ensure_ascii=False) for name in names)


def _bytes(path: Path, shown: str) -> bytes:
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise ConfigError(f"{shown} is a directory: name the TOML file in it")
        if not stat.S_ISREG(mode):
            raise ConfigError(f"{shown} is not a regular file: write the configuration to a file, and name that")
        with path.open("rb") as file:
            content = file.read(_LIMIT + 1)
    except OSError as error:
        raise ConfigError(f"{shown} cannot be read: {(error.strerror or 'input/output error').lower()}") from None
    except ValueError:
        raise ConfigError("the configuration's file name holds a NUL character") from None
    if len(content) > _LIMIT:
        raise ConfigError(f"{shown} is larger than {_LIMIT >> 20} MiB: no Mistle configuration is")
    return content


def _text(content: bytes, shown: str) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ConfigError(f"{shown} is UTF-16, not UTF-8: save it as UTF-8 without a byte order mark")
    if content.startswith(b"\xef\xbb\xbf"):
        raise ConfigError(f"{shown} begins with a byte order mark: save it as UTF-8 without one")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{shown} is not UTF-8 (at byte {error.start}): save it as UTF-8") from None
    if "\0" in text:
        raise ConfigError(f"{shown} holds a NUL character (line {text.count(chr(10), 0, text.index(chr(0))) + 1}): it is not a text file")
    return text


def _complaint(words: str) -> str:
    where = _WHERE.search(words)
    said = next((ours for theirs, ours in _COMPLAINTS if words.startswith(theirs)), "it cannot be parsed")
    if where and where[1]:
        return f"{said} (line {where[1]}, column {where[2]})"
    return f"{said} (at the end of the file)" if where else said


def _lines(text: str) -> dict[str, int]:
    """The first line of each key and table. tomllib tells none: so each statement is parsed once more, by itself."""
    lines: dict[str, int] = {}
    header: tuple[str, ...] = ()
    for number, statement, tree in _statements(text.replace("\r\n", "\n").split("\n")):
        names = list(_paths(tree))
        if statement.lstrip().startswith("["):
            header = names[-1]
            names = [header[: depth + 1] for depth in range(len(header))]
        else:
            names = [header + path for path in names]
        for path in names:
            lines.setdefault(dotted(path), number)
    return lines


def _statements(text: list[str]) -> Iterator[tuple[int, str, Mapping[str, object]]]:
    """Each statement of a valid document: the number of its first line, its text, its tree."""
    statement, work = "", 0
    first = 1
    for number, line in enumerate(text, 1):
        if not statement:
            first = number
        statement += line + "\n"
        if statement.lstrip()[:1] in ("", "#"):
            statement = ""
            continue
        work += len(statement)
        if work > _PATIENCE:
            return
        tree = _parsed(statement)
        if tree is not None:
            yield first, statement, tree
            statement = ""


def _parsed(statement: str) -> Mapping[str, object] | None:
    try:
        return tomllib.loads(statement)
    except ValueError:
        return None


def _paths(tree: Mapping[str, object], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of each table and value, outermost first."""
    for name, value in tree.items():
        yield (*above, name)
        if isinstance(value, dict):
            yield from _paths(value, (*above, name))
