"""The input of the rules: the values that are valid by themselves, and the origin of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from checks.core.finding import Cause, Finding, Status
    from preflight.config.sources.origins import Origins
    from preflight.config.tree import Tree
    from preflight.config.values import Values


@dataclass(frozen=True)
class Context:
    """``values`` by key path, as Mistle sees them; ``tree`` also holds the invalid and unknown ones."""

    values: Values
    tree: Tree
    origins: Origins

    def finding(
        self, cause: Cause, *paths: str, message: str, status: Status | None = None, corrected: object = None
    ) -> Finding:
        """A finding that blames these keys. ``corrected`` is the value that the first of them should have, if known."""
        return self.origins.finding(cause, *paths, message=message, status=status, corrected=corrected)


Rule = Callable[[Context], Iterator["Finding"]]
