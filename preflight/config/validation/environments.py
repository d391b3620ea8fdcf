"""The rule for hosts of a staging environment in the configuration of production."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from checks.core.finding import Finding
from preflight.config import causes
from preflight.config.schema.forms import HOSTS, LISTENS
from preflight.config.schema.keys import key_of
from preflight.config.schema.tables import AUTH, in_use
from preflight.config.schema.types import shown
from preflight.config.urls import parse_or_none

if TYPE_CHECKING:
    from preflight.config.validation.context import Context

_OTHER = re.compile(
    r"(?<![a-z])(?:stag(?:e|ing)|stg|(?:pre|non)-?prod(?:uction)?|uat|qa|dev(?:el(?:opment)?)?|test(?:ing)?)(?![a-z])"
)
_PRODUCTION = re.compile(r"(?<![a-z])(?<!pre-)(?<!non-)(?:prod(?:uction)?|prd|live)(?![a-z])")
_TRUSTED = f"{AUTH}.trusted_origins"


def mixed_environments(context: Context) -> Iterator[Finding]:
    """In production, no host is named staging or the like beside one named production."""
    if not context.values.production:
        return
    hosts = {(path, host): _labels(host) for path in context.values for host in _hosts(context, path)}
    production = next((host for (_, host), labels in hosts.items() if _PRODUCTION.search(labels)), None)
    for (path, host), labels in hosts.items():
        if production and _OTHER.search(labels) and not _PRODUCTION.search(labels):
            message = f"its host {shown(host)} is named like one of another environment, beside {shown(production)}"
            yield context.finding(causes.MIXED_ENVIRONMENTS, path, message=message)


def _hosts(context: Context, path: str) -> tuple[str, ...]:
    """The hosts that a key names and Mistle contacts or serves."""
    if not in_use(path, context.tree) or path in LISTENS:
        return ()
    if path in HOSTS:
        return (context.values.text(path),)
    if path == _TRUSTED:
        return tuple(url.host for url in map(parse_or_none, context.values.texts(path)) if url and url.host)
    url = context.values.url_or_none(path) if key_of(path).url else None
    return (url.host,) if url else ()


def _labels(host: str) -> str:
    """The host's name without its top-level domain, which may be dev or test."""
    labels = host.lower().rstrip(".").split(".")
    return ".".join(labels[:-1] or labels)
