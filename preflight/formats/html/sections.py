"""Keys as a page shows them: numbered, by the first part of their names."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Protocol, TypeVar

from preflight.formats.shared.phrases import grouped

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from preflight.report.incidents.model import Incident


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


def incident_links(incidents: Iterable[Incident], finding_numbers: Mapping[tuple[str, str], int]) -> tuple[str, ...]:
    """For each incident the part of the page that shows it: its own card, or that of its one finding."""
    cards = count(1)
    return tuple(
        f"#incident-{next(cards)}"
        if each.consequences
        else _link(finding_numbers.get((each.root.checks[0], each.root.id)))
        for each in incidents
    )


def _link(number: int | None) -> str:
    return f"#finding-{number}" if number else "#problems"
