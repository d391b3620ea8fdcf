"""Keys as a page shows them: numbered, by the first part of their names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from preflight.formats.shared.phrases import grouped

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Keyed(Protocol):
    """What is said of one key."""

    @property
    def key(self) -> str:
        """Its name."""


KeyedRow = TypeVar("KeyedRow", bound=Keyed)


def by_section(rows: Iterable[KeyedRow]) -> Mapping[str, list[tuple[int, KeyedRow]]]:
    """Sections in the order in which they first occur."""
    return grouped(enumerate(rows, 1), lambda row: row[1].key.partition(".")[0])
