"""What the rules look at: the values that are right by themselves, and where they came from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from preflight.config.urls import BadUrl, Url, parse

if TYPE_CHECKING:
    from checks.core.check import Cause, Finding, Status
    from preflight.config.sources.origins import Origins
    from preflight.config.tree import Tree


@dataclass(frozen=True)
class Context:
    """``values`` by key path, as Mistle sees them; ``tree`` holds everything that was configured, wrong or right."""

    values: Mapping[str, object]
    tree: Tree
    origins: Origins

    @property
    def production(self) -> bool:
        """Whether this is a production environment."""
        return self.values.get("global.env") == "production"

    def text(self, path: str) -> str:
        """A string; "" when it is not set."""
        return str(self.values.get(path, ""))

    def url(self, path: str) -> Url | None:
        """A URL; None when it is not set, or malformed."""
        try:
            return parse(self.text(path))
        except BadUrl:
            return None

    def finding(self, cause: Cause, *paths: str, message: str, status: Status | None = None) -> Finding:
        """A finding that blames these keys."""
        return self.origins.finding(cause, *paths, message=message, status=status)


Rule = Callable[[Context], Iterator["Finding"]]
