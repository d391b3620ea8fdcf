"""Translates the fields of a check's findings into the configuration keys that they blame or prove."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial

from checks.core.check import Check
from checks.core.finding import Finding, Status
from checks.core.remedy import Remedy
from preflight.config import edits
from preflight.config.hints import filled, with_origin
from preflight.config.origin import Origin


def keys_of(check: Check) -> tuple[str, ...]:
    """Every configuration key that a field of the check comes from."""
    return _keys(check, (name for name in check.sources if not name.endswith(".*")))


def attribute(
    check: Check, siblings: tuple[Check, ...], findings: tuple[Finding, ...], origins: Mapping[str, Origin]
) -> tuple[Finding, ...]:
    """The findings of one run of equal checks, as they concern this check: fields become keys, hints name origins.

    ``siblings`` are these equal checks; findings that are about none but their keys are left out.
    """
    own = (finding for finding in findings if not _is_about_others(check, siblings, finding))
    return tuple(_attributed(check, finding, origins) for finding in own)


def _keys(check: Check, fields: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(key for name in fields for key in check.sources.get(name) or _item(check, name)))


def _item(check: Check, name: str) -> tuple[str, ...]:
    """The keys of one item of a field, such as the master key of one version; it need not be in the configuration."""
    field_name, _, item = name.partition(".")
    return tuple(key.replace("*", item) for key in check.sources.get(f"{field_name}.*", ()))


def _is_about_others(check: Check, siblings: tuple[Check, ...], finding: Finding) -> bool:
    return not _keys(check, finding.fields) and any(_keys(sibling, finding.fields) for sibling in siblings)


def _attributed(check: Check, finding: Finding, origins: Mapping[str, Origin]) -> Finding:
    keys = _keys(check, finding.fields)
    if finding.fields and finding.status >= Status.WARN and not keys:
        keys = keys_of(check)
    by_field = {**check.sources, "blamed": keys or keys_of(check)}
    hint = filled(finding.hint, by_field, partial(with_origin, origins=origins))
    remedies = tuple(remedy for each in finding.remedies for remedy in _remedy(each, by_field, origins))
    return replace(finding, fields=keys, hint=hint, remedies=remedies)


def _remedy(remedy: Remedy, keys: Mapping[str, Iterable[str]], origins: Mapping[str, Origin]) -> Iterable[Remedy]:
    """The same, or the lines of an edit: one for each key of its field."""
    if remedy.tool != "edit":
        return (remedy,)
    value, of_field = json.loads(remedy.command), keys.get(remedy.where.strip("{}"), ())
    return (line for key in of_field for line in edits.set_value(key, value, origins.get(key)))
