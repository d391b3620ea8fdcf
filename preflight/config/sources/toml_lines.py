"""The line of each key in a TOML document. tomllib does not return it, so each statement is parsed again, alone."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import NamedTuple

from preflight.config.tree import Path, Tree, dotted

_KEY = re.compile(r"\s*([\w.-]+)\s*=")
_MAX_PARSED = 1 << 21  # characters in all: a value of many lines is parsed again at each of them


class Line(NamedTuple):
    """The number of a line; ``name`` is the key as it is written there, "" if the line holds no key or several."""

    number: int
    name: str = ""


def lines(document: str) -> dict[str, Line]:
    """The first line of each key and table of a valid document, by dotted path; if it is huge, only of the first."""
    by_path: dict[str, Line] = {}
    header: Path = ()
    for number, statement, tree in _statements(document.replace("\r\n", "\n").split("\n")):
        names = list(_paths(tree))
        if statement.lstrip().startswith("["):
            header = names[-1]
            names = [header[: depth + 1] for depth in range(len(header))]
        else:
            if name := _only_key(statement, names):
                by_path.setdefault(dotted(header + names[-1]), Line(number, name))
            names = [header + path for path in names]
        for path in names:
            by_path.setdefault(dotted(path), Line(number))
    return by_path


def _only_key(statement: str, names: list[Path]) -> str:
    """The key as written, if the statement is one line with one key; "" of an inline table."""
    written = _KEY.match(statement)
    is_only = written and statement.count("\n") == 1 and tuple(written[1].split(".")) == names[-1]
    return written[1] if written and is_only else ""


def twice(document: str) -> tuple[str, int, int] | None:
    """The first table (``[email.smtp]``) or key that is given twice, and both lines; None if the document has none."""
    tables: dict[str, int] = {}
    keys: dict[str, int] = {}
    header: Path = ()
    for number, statement, tree in _statements(document.replace("\r\n", "\n").split("\n")):
        names = list(_paths(tree))
        is_table = statement.lstrip().startswith("[")
        header = names[-1] if is_table else header
        paths = [dotted(header)] if is_table else [dotted(header + name) for name in names]
        if first := (is_table and tables.get(paths[-1])) or keys.get(paths[-1]):
            return (f"[{paths[-1]}]" if is_table else paths[-1]), first, number
        if not statement.lstrip().startswith("[["):
            (tables if is_table else keys).update(dict.fromkeys(paths, number))
    return None


def _statements(document: list[str]) -> Iterator[tuple[int, str, Tree]]:
    """Each statement: the number of its first line, its text, its tree."""
    statement, first, parsed = "", 1, 0
    for number, line in enumerate(document, 1):
        if not statement:
            first = number
            if line.strip()[:1] in ("", "#"):
                continue
        statement += line + "\n"
        parsed += len(statement)
        if parsed > _MAX_PARSED:
            return
        tree = _parsed(statement)
        if tree is not None:
            yield first, statement, tree
            statement = ""


def _parsed(statement: str) -> Tree | None:
    try:
        return tomllib.loads(statement)
    except ValueError:
        return None


def _paths(tree: Tree, above: Path = ()) -> Iterator[Path]:
    """The path of each table and value, outermost first."""
    for name, value in tree.items():
        yield (*above, name)
        if isinstance(value, dict):
            yield from _paths(value, (*above, name))
