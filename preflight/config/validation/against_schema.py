"""Validates a tree against the schema: types, limits, unknown and missing keys, all in one pass."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

from checks.core.finding import Finding
from preflight.config import causes, edits, suggestions
from preflight.config.schema.conditions import ALWAYS, OPTIONAL
from preflight.config.schema.key import Key
from preflight.config.schema.keys import KEYS, VERSION
from preflight.config.schema.types import InvalidValue, UnreadableOverride, meant, name_of
from preflight.config.schema.unfilled import unfilled_value
from preflight.config.tree import Path, Tree, dotted

if TYPE_CHECKING:
    from preflight.config.sources.origins import Origins

Shape: TypeAlias = "dict[str, Key | Shape]"

_MAX_UNKNOWN = 100  # findings of unknown keys: enough to see that it is the file of another program
_MAX_VERSION = 8  # characters: a longer name in a version's place may be the secret itself
_VERSION = re.compile(r"[1-9][0-9]*")


@dataclass(frozen=True)
class Validated:
    """The valid values of a tree by path, the keys that are set, the required keys that are not, and the findings."""

    values: Mapping[str, object]
    present: frozenset[str]
    missing: frozenset[str]
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class _Entry:
    """A value at a path where the schema has keys, or why it is invalid; None if it is an unreadable override."""

    path: str
    value: object
    keys: tuple[str, ...]


def validate(tree: Tree, origins: Origins) -> Validated:
    """Validate a tree against the schema."""
    entries = tuple(_entries(tree, _SHAPE, ()))
    present = frozenset(path for entry in entries for path in entry.keys)
    missing = [key for key in KEYS if key.required.holds(tree) and not _is_set(key, present)]
    findings = (
        *(_finding(entry, entry.value, origins) for entry in entries if isinstance(entry.value, InvalidValue)),
        *(origins.finding(causes.MISSING, key.path, message=_missing(key)) for key in missing),
        *(_unknown(*unknown, origins) for unknown in islice(_unknown_keys(tree, _SHAPE, ()), _MAX_UNKNOWN)),
    )
    values = {entry.path: entry.value for entry in entries if not isinstance(entry.value, InvalidValue | None)}
    return Validated(values, present, frozenset(key.path for key in missing), findings)


def _entries(table: Tree, shape: Shape, above: Path) -> Iterator[_Entry]:
    for name, value in table.items():
        path = dotted((*above, name))
        expected = _expected(name, value, shape)
        if isinstance(expected, Key):
            yield _Entry(path, _accepted(expected, value), (path,))
        elif expected and isinstance(value, dict):
            yield from _entries(value, expected, (*above, name))
        elif expected:
            invalid = InvalidValue(causes.WRONG_TYPE, f"is {name_of(value)}, must be a table: [{path}]")
            yield _Entry(path, invalid, tuple(_required_below(expected)))


def _unknown_keys(table: Tree, shape: Shape, above: Path) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """The path of each key that the schema does not have, and the names that its table may hold."""
    for name, value in table.items():
        expected = _expected(name, value, shape)
        if expected is None:
            hidden = VERSION in shape and len(name) > _MAX_VERSION
            yield (*above, VERSION if hidden else name), tuple(shape)
        elif isinstance(expected, dict) and isinstance(value, dict):
            yield from _unknown_keys(value, expected, (*above, name))


def _expected(name: str, value: object, shape: Shape) -> Key | Shape | None:
    if VERSION not in shape:
        return shape.get(name)
    return shape[VERSION] if _VERSION.fullmatch(name) or isinstance(value, UnreadableOverride) else None


def _accepted(key: Key, value: object) -> object:
    if isinstance(value, UnreadableOverride):
        return None
    try:
        return key.type.accept(value)
    except InvalidValue as invalid:
        invalid.corrected = meant(key.type, value)
        return unfilled_value(key, value) or invalid


def _finding(entry: _Entry, invalid: InvalidValue, origins: Origins) -> Finding:
    finding = origins.finding(invalid.cause, entry.path, message=invalid.message, corrected=invalid.corrected)
    return replace(finding, fields=entry.keys)


def _unknown(path: Path, siblings: tuple[str, ...], origins: Origins) -> Finding:
    finding = origins.finding(causes.UNKNOWN_KEY, dotted(path), message=suggestions.unknown(path, siblings))
    similar = suggestions.sibling(path, siblings)
    if not similar or origins.has(dotted((*path[:-1], similar))):
        return finding
    return replace(finding, remedies=edits.rename(similar, origins.of(dotted(path))))


def _is_set(key: Key, present: frozenset[str]) -> bool:
    if key.path.endswith(VERSION):
        return any(path.startswith(f"{key.section}.") for path in present)
    return key.path in present


def _missing(key: Key) -> str:
    return "is missing" if key.required is ALWAYS else f"is missing, required {key.required.text}"


def _shape() -> Shape:
    """The schema as nested tables, like a file's."""
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
