"""The conditions under which Mistle requires a key or reads it, each with its text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from preflight.config.tree import Tree, lookup


@dataclass(frozen=True)
class Requirement:
    """A condition. ``text`` continues the sentence "required …"."""

    text: str
    holds: Callable[[Tree], bool]

    def __or__(self, other: Requirement) -> Requirement:
        return Requirement(f"{self.text}, or {other.text}", lambda tree: self.holds(tree) or other.holds(tree))

    def __and__(self, other: Requirement) -> Requirement:
        return Requirement(f"{self.text} and {other.text}", lambda tree: self.holds(tree) and other.holds(tree))


ALWAYS = Requirement("always", lambda _: True)
OPTIONAL = Requirement("never", lambda _: False)


def when(path: str, value: str | bool) -> Requirement:
    """When another key has this value."""
    literal = str(value).lower() if isinstance(value, bool) else f'"{value}"'
    return Requirement(f"when {path} is {literal}", lambda tree: _is(lookup(tree, path), value))


def when_holds(path: str, item: str) -> Requirement:
    """When the list of another key contains this item."""
    return Requirement(f'when {path} holds "{item}"', lambda tree: _holds(lookup(tree, path), item))


def with_section(path: str) -> Requirement:
    """When the section exists."""
    return Requirement(f"when [{path}] exists", lambda tree: isinstance(lookup(tree, path), dict))


def unless_section(path: str, condition: Requirement) -> Requirement:
    """On a condition; but an empty section satisfies it too."""
    return Requirement(
        f"{condition.text} (an empty [{path}] is enough)",
        lambda tree: condition.holds(tree) and not isinstance(lookup(tree, path), dict),
    )


def _is(actual: object, value: str | bool) -> bool:
    return type(actual) is type(value) and actual == value


def _holds(actual: object, item: str) -> bool:
    return isinstance(actual, list) and item in actual
