"""When Mistle requires a key: conditions over the tree of a configuration, as named data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

Tree = Mapping[str, object]


def lookup(tree: Tree, path: str) -> object:
    """What stands at this path; None when nothing does."""
    node: object = tree
    for name in path.split("."):
        if not isinstance(node, dict):
            return None
        node = node.get(name)
    return node


@dataclass(frozen=True)
class Requirement:
    """``words`` continues the sentence "required …"."""

    words: str
    holds: Callable[[Tree], bool]

    def __or__(self, other: Requirement) -> Requirement:
        return Requirement(f"{self.words}, or {other.words}", lambda tree: self.holds(tree) or other.holds(tree))


ALWAYS = Requirement("always", lambda _: True)
OPTIONAL = Requirement("never", lambda _: False)


def when(path: str, value: object) -> Requirement:
    """Required when another key has this value (or, for a list, holds it)."""
    return Requirement(f"when {path} {_is(value)}", lambda tree: _has(lookup(tree, path), value))


def with_section(path: str) -> Requirement:
    """Required when its section exists."""
    return Requirement(f"when [{path}] exists", lambda tree: isinstance(lookup(tree, path), dict))


def unless_section(path: str, condition: Requirement) -> Requirement:
    """Required on a condition, but an empty section does as well."""
    return Requirement(
        f"{condition.words} (an empty [{path}] is enough)",
        lambda tree: condition.holds(tree) and not isinstance(lookup(tree, path), dict),
    )


def both(first: Requirement, second: Requirement) -> Requirement:
    """Required when both conditions hold."""
    return Requirement(f"{first.words} and {second.words}", lambda tree: first.holds(tree) and second.holds(tree))


def _is(value: object) -> str:
    return f"is {str(value).lower()}" if isinstance(value, bool) else f'is "{value}"'


def _has(actual: object, value: object) -> bool:
    return value in actual if isinstance(actual, list) else actual is value or (actual == value and type(actual) is type(value))
