"""Selects findings by their cause, and replaces several findings by one."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from checks.core.finding import Cause, Finding


def with_causes(findings: Iterable[Finding], *wanted: Cause) -> list[Finding]:
    """The findings with one of these causes."""
    ids = {cause.id for cause in wanted}
    return [finding for finding in findings if finding.id in ids]


def blamed_keys(findings: Iterable[Finding]) -> tuple[str, ...]:
    """The keys that they blame, each once."""
    return tuple(dict.fromkeys(key for finding in findings for key in finding.fields))


def replaced(findings: tuple[Finding, ...], moot: Collection[Finding], by: Finding) -> tuple[Finding, ...]:
    """The findings with ``by`` in place of those that are ``moot``."""
    return (by, *(finding for finding in findings if finding not in moot))
