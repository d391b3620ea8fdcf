"""Keys as a page shows them: numbered, by the first part of their names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol, TypeVar

from preflight.report.model import grouped


class Keyed(Protocol):
    """A verdict on a key, of one report or of merged reports."""

    @property
    def key(self) -> str: ...


KeyedItem = TypeVar("KeyedItem", bound=Keyed)


def by_section(keys: Iterable[KeyedItem]) -> Mapping[str, list[tuple[int, KeyedItem]]]:
    """The keys of each section with their numbers; sections in the order in which they first occur."""
    return grouped(enumerate(keys, 1), lambda item: item[1].key.partition(".")[0])


def numbered(keys: Iterable[Keyed]) -> Mapping[str, int]:
    """The number of each key, for links to it."""
    return {item.key: number for number, item in enumerate(keys, 1)}
