"""From a configuration to the checks that prove it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import checks
from checks.core.check import Finding, Layer, Status
from preflight.plan.resource import Deployment, Resource
from preflight.plan.resources import RESOURCES
from preflight.report import bugs
from preflight.report.model import Result
from preflight.services import SERVICES

if TYPE_CHECKING:
    from collections.abc import Callable

    from checks.core.check import Check
    from preflight.config.loader import Config

T = TypeVar("T")


class SelectionError(Exception):
    """The selection leaves nothing to check, or names nothing that exists: one clear line."""


@dataclass(frozen=True)
class Plan:
    """The checks to make; those that cannot be made, for a key of theirs is broken or their family has a bug; the keys
    that nobody asked for; the traceback of every bug met.
    """

    checks: tuple[Check, ...]
    blocked: tuple[Result, ...]
    unselected: frozenset[str]
    bugs: tuple[str, ...] = ()


@dataclass
class _Attempts:
    """What is asked of the families; a bug in one hides no other. ``errors`` are by the resource's name."""

    errors: dict[str, BaseException] = field(default_factory=dict)

    def __call__(self, resource: Resource, question: Callable[[], T]) -> T | None:
        try:
            return question()
        except KeyboardInterrupt:  # also a signal's
            raise
        except BaseException as error:
            self.errors.setdefault(resource.name, error)
            return None


def plan(
    config: Config,
    *,
    stage: str = "live",
    service: str | None = None,
    only: Iterable[str] = (),
    skip: Iterable[str] = (),
) -> Plan:
    """``only`` and ``skip`` are globs over the names, kinds and keys of checks. Raises SelectionError."""
    attempt = _Attempts()
    named = [each for each in RESOURCES if attempt(each, partial(_is_named, each, config)) is not False]
    only, skip = tuple(only), tuple(skip)
    _raise_on_unknown((*only, *skip))
    wanted = _select(named, service, only, skip)
    if (only or skip) and not wanted:
        names = ", ".join(resource.name for resource in named)
        raise SelectionError(f"the selection leaves nothing to check; this configuration names {names}")
    blocked = [resource for resource in wanted if config.broken.intersection(resource.keys + resource.optional)]
    sound = [resource for resource in wanted if resource not in blocked and resource.name not in attempt.errors]
    names_of_sound = frozenset(resource.name for resource in sound)
    deployment = Deployment(config.values, config.broken, stage, names_of_sound, service)
    made = [attempt(resource, partial(resource.make, deployment)) for resource in sound]
    broken = [resource for resource in wanted if resource not in blocked and resource.name in attempt.errors]
    return Plan(
        checks=tuple(check for check in made if check is not None),
        blocked=(
            *(_blocked(resource, config) for resource in blocked),
            *(_broken(resource, config, attempt.errors[resource.name]) for resource in broken),
        ),
        unselected=frozenset(key for resource in named if resource not in wanted for key in _keys(resource, config)),
        bugs=tuple(bugs.trace(*met) for met in attempt.errors.items()),
    )


def with_services(results: Iterable[Result]) -> tuple[Result, ...]:
    """The results, each with the services that use its target."""
    users = {resource.name: resource.services for resource in RESOURCES}
    return tuple(
        replace(result, services=tuple(name for name in SERVICES if name in users.get(result.name, ())))
        for result in results
    )


def _is_named(resource: Resource, config: Config) -> bool:
    known = {*config.values, *config.broken}
    return known.issuperset(resource.keys) and resource.applies(config.values)


def _raise_on_unknown(patterns: tuple[str, ...]) -> None:
    """A pattern that no configuration could ever match is a slip of the pen."""
    for pattern in patterns:
        if not any(_matches(resource, pattern) for resource in RESOURCES):
            names = ", ".join(resource.name for resource in RESOURCES)
            raise SelectionError(f"{pattern!r} matches no check, kind or key; the checks are {names}")


def _select(named: list[Resource], service: str | None, only: tuple[str, ...], skip: tuple[str, ...]) -> list[Resource]:
    return [
        resource
        for resource in named
        if (service is None or service in resource.services)
        and (not only or any(_matches(resource, pattern) for pattern in only))
        and not any(_matches(resource, pattern) for pattern in skip)
    ]


def _matches(resource: Resource, pattern: str) -> bool:
    names = (resource.name, resource.kind, *resource.all_keys)
    return any(fnmatchcase(name, pattern) or fnmatchcase(pattern, name) for name in names)


def _keys(resource: Resource, config: Config) -> tuple[str, ...]:
    """Its keys, with those that stand for many, such as every version's master key, as the configuration holds them."""
    return tuple(key for name in resource.all_keys for key in _held(name, config))


def _held(name: str, config: Config) -> Iterable[str]:
    return (key for key in config.values if fnmatchcase(key, name)) if "*" in name else (name,)


def _blocked(resource: Resource, config: Config) -> Result:
    keys = _keys(resource, config)
    broken = tuple(key for key in resource.keys + resource.optional if key in config.broken)
    finding = Finding(
        id=f"{checks.load(resource.kind).prefix}.{Layer.CONFIG}",
        layer=Layer.CONFIG,
        status=Status.SKIP,
        message=f"not checked: {' and '.join(broken)} cannot be used",
        fields=keys,
    )
    return Result(resource.name, resource.kind, "", keys, (finding,))


def _broken(resource: Resource, config: Config, error: BaseException) -> Result:
    return bugs.result(resource.name, resource.kind, _keys(resource, config), error)
