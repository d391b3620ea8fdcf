"""Holds a tree to the schema: types, limits, unknown and missing keys, all at once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from preflight import causes, suggestions
from preflight.requirements import ALWAYS, OPTIONAL
from preflight.schema import KEYS, VERSION, Key
from preflight.tree import Path, Tree, dotted
from preflight.values import Refused, Wrong, name_of

if TYPE_CHECKING:
    from checks.base import Finding
    from preflight.origins import Origins

Shape: TypeAlias = "dict[str, Key | Shape]"

_VERSION = re.compile(r"[1-9][0-9]*")


@dataclass(frozen=True)
class Validated:
    """What a tree holds: good values by path, the paths of all that are set, of required ones that are not, and what is
    wrong.
    """

    values: Mapping[str, object]
    present: frozenset[str]
    missing: frozenset[str]
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class _Entry:
    """What stands at one path: a value, or why it is wrong; None when the variable that set it was refused before."""

    path: str
    value: object
    keys: tuple[str, ...] = ()


def validate(tree: Tree, origins: Origins) -> Validated:
    """Hold a tree to the schema."""
    entries = tuple(_entries(tree, _SHAPE, ()))
    present = frozenset(path for entry in entries for path in entry.keys)
    missing = [key for key in KEYS if key.required.holds(tree) and not _is_set(key, present)]
    return Validated(
        {entry.path: entry.value for entry in entries if not isinstance(entry.value, Wrong | None)},
        present,
        frozenset(key.path for key in missing),
        (
            *(_finding(entry, entry.value, origins) for entry in entries if isinstance(entry.value, Wrong)),
            *(origins.found(causes.MISSING, key.path, message=_missing(key)) for key in missing),
        ),
    )


def _entries(table: Mapping[str, object], shape: Shape, above: Path) -> Iterator[_Entry]:
    for name, value in table.items():
        path = dotted((*above, name))
        expected = _expected(name, value, shape)
        if expected is None:
            yield _Entry(path, Wrong(causes.UNKNOWN_KEY, suggestions.unknown(path, name, tuple(shape))))
        elif isinstance(expected, Key):
            yield _Entry(path, _accepted(expected, value), (path,))
        elif isinstance(value, dict):
            yield from _entries(value, expected, (*above, name))
        else:
            wrong = Wrong(causes.WRONG_TYPE, f"is {name_of(value)}, must be a table: [{path}]")
            yield _Entry(path, wrong, tuple(_required_below(expected)))


def _expected(name: str, value: object, shape: Shape) -> Key | Shape | None:
    if VERSION not in shape:
        return shape.get(name)
    return shape[VERSION] if _VERSION.fullmatch(name) or isinstance(value, Refused) else None


def _accepted(key: Key, value: object) -> object:
    if isinstance(value, Refused):
        return None
    try:
        return key.type.accept(value)
    except Wrong as wrong:
        return wrong


def _finding(entry: _Entry, wrong: Wrong, origins: Origins) -> Finding:
    finding = origins.found(wrong.cause, entry.path, message=wrong.message)
    return replace(finding, fields=entry.keys or finding.fields)


def _is_set(key: Key, present: frozenset[str]) -> bool:
    if key.path.endswith(VERSION):
        return any(path.startswith(f"{key.section}.") for path in present)
    return key.path in present


def _missing(key: Key) -> str:
    return "is missing" if key.required is ALWAYS else f"is missing, required {key.required.words}"


def _shape() -> Shape:
    """The schema as the tables that a file has."""
    root: Shape = {}
    for key in KEYS:
        table = root
        *tables, name = key.path.split(".")
        for part in tables:
            inner = table.setdefault(part, {})
            assert isinstance(inner, dict), "no key is also a table"  # noqa: S101 - for the type checker
            table = inner
        table[name] = key
    return root


def _required_below(shape: Shape) -> Iterator[str]:
    for expected in shape.values():
        if isinstance(expected, dict):
            yield from _required_below(expected)
        elif expected.required is not OPTIONAL:
            yield expected.path


_SHAPE = _shape()
