"""Makes the checks that prove a configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import checks
from checks.core.check import Check
from checks.core.finding import Finding, Layer, Status
from preflight.config.suggestions import did_you_mean
from preflight.plan.resource import Deployment, Resource, unusable
from preflight.plan.resources import RESOURCES
from preflight.report import bugs
from preflight.report.attribution import keys_of
from preflight.report.result import Result
from preflight.services import SERVICES

if TYPE_CHECKING:
    from preflight.config.loader import Config

T = TypeVar("T")


class SelectionError(Exception):
    """The selection leaves nothing to check, or names nothing that exists. The message is one line."""


@dataclass(frozen=True)
class Plan:
    """The checks to run. ``blocked``: results of the checks that cannot be made, because a key is broken or their
    resource's code has a bug. ``unselected``: the keys of the checks that were not selected. ``bugs``: tracebacks.
    """

    checks: tuple[Check, ...]
    blocked: tuple[Result, ...]
    unselected: frozenset[str]
    bugs: tuple[str, ...] = ()


@dataclass
class _BugCollector:
    """Calls functions of resources, so that a bug in one hides no other. ``errors``: resource name → its exception."""

    errors: dict[str, BaseException] = field(default_factory=dict)

    def __call__(self, resource: Resource, function: Callable[[], T]) -> T | None:
        try:
            return function()
        except KeyboardInterrupt:  # also raised by the signal handler
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
    attempt = _BugCollector()
    named = [each for each in RESOURCES if attempt(each, partial(_is_named, each, config)) is not False]
    selected = _select(named, service, tuple(only), tuple(skip))
    blocked = [each for each in selected if config.broken.intersection(each.keys + each.optional)]
    usable = [each for each in selected if each not in blocked and each.name not in attempt.errors]
    wanted = frozenset(resource.name for resource in usable)
    deployment = Deployment(config.values, config.broken, stage, wanted, service)
    checks = [attempt(resource, partial(resource.make, deployment)) for resource in usable]
    failed = [each for each in selected if each not in blocked and each.name in attempt.errors]
    return Plan(
        checks=tuple(check for check in checks if check is not None),
        blocked=(
            *(_blocked(resource, config) for resource in blocked),
            *(_failed(resource, config, attempt.errors[resource.name]) for resource in failed),
        ),
        unselected=frozenset(key for resource in named if resource not in selected for key in _keys(resource, config)),
        bugs=tuple(bugs.trace(name, error) for name, error in attempt.errors.items()),
    )


def with_services(results: Iterable[Result]) -> tuple[Result, ...]:
    """The results, each with the services that use its resource."""
    users = {resource.name: resource.services for resource in RESOURCES}
    return tuple(
        replace(result, services=tuple(name for name in SERVICES if name in users.get(result.name, ())))
        for result in results
    )


def _is_named(resource: Resource, config: Config) -> bool:
    """Whether the configuration names the resource: all its keys are set, valid or not, and Mistle uses it."""
    return {*config.values, *config.broken}.issuperset(resource.keys) and resource.applies(config.values)


def _select(named: list[Resource], service: str | None, only: tuple[str, ...], skip: tuple[str, ...]) -> list[Resource]:
    """The selected resources. Raises SelectionError if a pattern matches nothing, or if they leave nothing."""
    _raise_on_unknown((*only, *skip))
    selected = [
        resource
        for resource in named
        if (service is None or service in resource.services)
        and (not only or any(_matches(resource, pattern) for pattern in only))
        and not any(_matches(resource, pattern) for pattern in skip)
    ]
    if (only or skip) and not selected:
        names = ", ".join(resource.name for resource in named)
        raise SelectionError(f"the selection leaves nothing to check; this configuration names {names}")
    return selected


def _raise_on_unknown(patterns: tuple[str, ...]) -> None:
    """A pattern that matches no check of any configuration is a typing error."""
    for pattern in patterns:
        if not any(_matches(resource, pattern) for resource in RESOURCES):
            names = [name for resource in RESOURCES for name in (resource.name, resource.kind)]
            similar = did_you_mean(pattern, dict.fromkeys(names)) or did_you_mean(pattern, _checks(), "the checks are")
            raise SelectionError(f"{pattern!r} matches no check, kind or key{similar}")


def _checks() -> Iterable[str]:
    return (resource.name for resource in RESOURCES)


def _matches(resource: Resource, pattern: str) -> bool:
    names = (resource.name, resource.kind, *resource.all_keys)
    return any(fnmatchcase(name, pattern) or fnmatchcase(pattern, name) for name in names)


def _keys(resource: Resource, config: Config) -> tuple[str, ...]:
    """The resource's keys. A pattern, such as that of all master keys, becomes the keys of the configuration."""
    return tuple(key for pattern in resource.all_keys for key in _expanded(pattern, config))


def _expanded(pattern: str, config: Config) -> Iterable[str]:
    return (key for key in config.values if fnmatchcase(key, pattern)) if "*" in pattern else (pattern,)


def _blocked(resource: Resource, config: Config) -> Result:
    finding = Finding(
        id=f"{checks.load(resource.kind).prefix}.{Layer.CONFIG}",
        layer=Layer.CONFIG,
        status=Status.SKIP,
        message=unusable(resource.keys + resource.optional, config.broken),
        fields=_keys(resource, config),
    )
    return Result(resource.name, resource.kind, "", finding.fields, (finding,))


def _failed(resource: Resource, config: Config, error: BaseException) -> Result:
    return bugs.result(resource.name, resource.kind, _keys(resource, config), error)


_WOULD = {
    Layer.CONFIG: "it would be read",
    Layer.DNS: "the name would be resolved",
    Layer.CONNECT: "every address would be connected to",
    Layer.TLS: "the certificate would be verified as Mistle does",
    Layer.AUTH: "a login would be tried",
    Layer.ACCESS: "what Mistle does there would be tried",
    Layer.FITNESS: "whether it is right for Mistle would be checked",
}


def planned(check: Check) -> Result:
    """What a run would do for a check: all its layers, skipped."""
    layers = [Finding(f"{check.prefix}.{layer}", layer, Status.SKIP, _WOULD[layer]) for layer in check.layers]
    return Result(check.name, check.kind, check.target, keys_of(check), tuple(layers))
