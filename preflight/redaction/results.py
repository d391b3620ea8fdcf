"""Masks the secrets in the results of a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from checks.core.finding import ADDRESSES, HOST, Finding
from checks.core.text import clean
from preflight.report.result import Result, each_finding

if TYPE_CHECKING:
    from preflight.redaction.redactor import Redactor


def masked(results: tuple[Result, ...], mask: Redactor, targets: frozenset[str] = frozenset()) -> tuple[Result, ...]:
    """The results, with all their texts masked. ``targets`` (as from the allowlist) are not masked in a target."""
    shown = tuple(_result(result, mask(clean(result.target), targets), mask) for result in results)
    return each_finding(shown, lambda finding: _masked(finding, mask))


def _masked(finding: Finding, mask: Callable[[str], str]) -> Finding:
    """A remedy that holds a secret would be wrong with a mask in its place: it is left out."""
    shown = tuple(each for each in finding.remedies if mask(each.command) == each.command)
    remedies = tuple(replace(each, where=mask(each.where)) for each in shown)
    return replace(finding, message=mask(finding.message), hint=mask(finding.hint), remedies=remedies)


def _result(result: Result, target: str, mask: Callable[[str], str]) -> Result:
    """The host is not masked where the target shows it: two hosts must not look as one."""
    facts = {name: mask(value) if isinstance(value, str) else value for name, value in result.facts.items()}
    host = result.facts.get(HOST)
    if isinstance(host, str) and host in target:
        facts |= {name: host for name in (HOST, ADDRESSES) if result.facts.get(name) == host}
    return replace(result, target=target, facts=facts)
