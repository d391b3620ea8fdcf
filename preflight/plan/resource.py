"""One resource of a deployment: its keys, the services that use it, and the function that makes its check."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from checks.core.check import Check
from checks.net.endpoint import Endpoint

if TYPE_CHECKING:
    from preflight.config.urls import Url
    from preflight.config.values import Values


@dataclass(frozen=True)
class Deployment:
    """The input of ``make``. ``broken``: the keys whose value may not be used. ``wanted``: the names of all checks that
    are selected. ``service``: the one that was named with --service, if any.
    """

    values: Values
    broken: frozenset[str]
    stage: str
    wanted: frozenset[str]
    service: str | None = None

    @property
    def deployed(self) -> bool:
        """Whether Mistle itself is up already."""
        return self.stage == "live"


def _always(_values: Values) -> bool:
    return True


@dataclass(frozen=True)
class Resource:
    """The check is made only if all ``keys`` are set and valid, and those of ``optional`` that are set are valid.

    Its findings may also blame or prove ``extra`` keys, which need not be valid. ``services`` are those that use the
    resource; ``applies`` returns whether Mistle uses it at all with these values.
    """

    name: str
    kind: str
    keys: tuple[str, ...]
    services: frozenset[str]
    make: Callable[[Deployment], Check]
    optional: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    applies: Callable[[Values], bool] = _always

    @property
    def all_keys(self) -> tuple[str, ...]:
        """Every key that a finding of its check may blame or prove."""
        return (*self.keys, *self.optional, *self.extra)


def unusable(keys: Iterable[str], broken: frozenset[str]) -> str:
    """Why nothing is checked that needs these keys; "" if none of them is ``broken``."""
    names = " and ".join(key for key in keys if key in broken)
    return names and f"not checked: {names} cannot be used"


def endpoint(url: Url) -> Endpoint:
    """The endpoint that a URL of the configuration names."""
    query = f"?{url.query}" if url.query else ""
    return Endpoint(url.scheme, url.host, url.port, (url.path or "/") + query)
