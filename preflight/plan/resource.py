"""One resource of a deployment, and who uses it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from checks.net.http import Endpoint
from preflight.config import urls

if TYPE_CHECKING:
    from checks.core.check import Check


@dataclass(frozen=True)
class Deployment:
    """What a check is made from: the configuration's values, the keys whose value is wrong, the stage, the names of all
    checks that are wanted, and the one service that is asked about, if any.
    """

    values: Mapping[str, object]
    broken: frozenset[str]
    stage: str
    wanted: frozenset[str]
    service: str | None = None

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


def _always(_values: Mapping[str, object]) -> bool:
    return True


@dataclass(frozen=True)
class Resource:
    """``keys`` must be there and right for the check to be made, ``optional`` ones right where they are set.

    What is found may be about ``extra`` keys too, which do not have to be right. ``services`` use it; ``applies`` says
    of the configuration's values whether Mistle uses it at all.
    """

    name: str
    kind: str
    keys: tuple[str, ...]
    services: frozenset[str]
    make: Callable[[Deployment], Check]
    optional: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    applies: Callable[[Mapping[str, object]], bool] = _always

    @property
    def all_keys(self) -> tuple[str, ...]:
        """Every key that a finding of its check may be about."""
        return (*self.keys, *self.optional, *self.extra)


def endpoint(url: str) -> Endpoint:
    """Where a URL of the configuration leads."""
    parsed = urls.parse(url)
    query = f"?{parsed.query}" if parsed.query else ""
    return Endpoint(parsed.scheme, parsed.host, parsed.port, (parsed.path or "/") + query)
