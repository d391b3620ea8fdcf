"""Keys as a page shows them: numbered, by the first part of their names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Keyed(Protocol):
    """What is said of one key."""

    @property
    def key(self) -> str:
        """Its name."""


Row = TypeVar("Row", bound=Keyed)


def by_section(rows: Iterable[Row]) -> Mapping[str, list[tuple[int, Row]]]:
    """Sections in the order in which they first occur."""
    sections: dict[str, list[tuple[int, Row]]] = {}
    for number, row in enumerate(rows, 1):
        sections.setdefault(row.key.partition(".")[0], []).append((number, row))
    return sections
