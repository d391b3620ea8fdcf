"""Groups of items."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

Item = TypeVar("Item")
Group = TypeVar("Group")


def grouped(items: Iterable[Item], group: Callable[[Item], Group]) -> dict[Group, list[Item]]:
    """The items of each group, in their order; the groups in the order of their first items."""
    groups: dict[Group, list[Item]] = {}
    for item in items:
        groups.setdefault(group(item), []).append(item)
    return groups
