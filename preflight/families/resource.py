"""One resource of a deployment, and who uses it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from checks.base import Check


@dataclass(frozen=True)
class Deployment:
    """What a check is made from: the configuration's values, the keys whose value is wrong, the stage, and the names of
    all checks that are wanted.
    """

    values: Mapping[str, object]
    broken: frozenset[str]
    stage: str
    wanted: frozenset[str]

    @property
    def production(self) -> bool:
        """Whether the configuration says so."""
        return self.values.get("global.env") == "production"

    @property
    def deployed(self) -> bool:
        """Whether Mistle is up already."""
        return self.stage == "live"

    def text(self, key: str) -> str:
        """The value of a key whose type is text."""
        return str(self.values[key])


@dataclass(frozen=True)
class Resource:
    """``keys`` must be right for the check to be made; ``services`` use it."""

    name: str
    kind: str
    keys: tuple[str, ...]
    services: frozenset[str]
    make: Callable[[Deployment], Check]
