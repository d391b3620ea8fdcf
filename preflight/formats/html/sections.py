"""Keys as a page shows them: numbered, by the first part of their names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypeVar

from preflight.grouping import grouped
from preflight.report.model import KeyVerdict

if TYPE_CHECKING:
    from preflight.saved.merge import MergedKey

Key = TypeVar("Key", bound="KeyVerdict | MergedKey")


def by_section(keys: Iterable[Key]) -> Mapping[str, list[tuple[int, Key]]]:
    """The keys of each section with their numbers; sections in the order in which they first occur."""
    return grouped(enumerate(keys, 1), lambda item: item[1].key.partition(".")[0])


def numbered(keys: Iterable[KeyVerdict | MergedKey]) -> Mapping[str, int]:
    """The number of each key, for links to it."""
    return {item.key: number for number, item in enumerate(keys, 1)}
