"""What is known of each key: never more than a live rung has shown."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from checks.core.check import Finding, Layer, Status
from preflight.report.model import Evidence, KeyVerdict, Result

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from preflight.config.origin import InFile, Origin

Named: TypeAlias = tuple[Result, Finding]  # a finding that names a key, and whose it is


def verdicts(
    listed: Iterable[str],
    results: tuple[Result, ...],
    origins: Mapping[str, Origin],
    unproven: frozenset[str] = frozenset(),
    missing: Mapping[str, InFile] | None = None,
) -> tuple[KeyVerdict, ...]:
    """A verdict for every listed key, in that order, then for every other key that a finding blames.

    ``unproven`` are the keys of checks that were not selected or could not be made. ``missing``: where keys that are
    not set belong.
    """
    naming: dict[str, list[Named]] = {}
    for result in results:
        for finding in result.findings:
            for key in finding.fields:
                naming.setdefault(key, []).append((result, finding))
    blamed = (key for result in results for finding in result.findings for key in _blames(finding))
    drafts = (
        _verdict(key, naming.get(key, []), results, origins.get(key), key in unproven)
        for key in dict.fromkeys((*listed, *blamed))
    )
    return tuple(replace(verdict, belongs=(missing or {}).get(verdict.key)) for verdict in drafts)


def _verdict(
    key: str, naming: list[Named], results: tuple[Result, ...], origin: Origin | None, unproven: bool
) -> KeyVerdict:
    noted = [finding for _, finding in naming if finding.status is not Status.OK]
    blames = [finding.status for finding in noted if finding.status >= Status.WARN]
    proven = any(finding.status is Status.OK and not result.is_cut_short for result, finding in naming)
    missed = unproven or bool(noted) or any(key in result.keys and not result.is_complete for result in results)
    named_by = {result.name for result, finding in naming if finding.status is not Status.OK}
    return KeyVerdict(
        key=key,
        status=max(blames, default=Status.SKIP if missed and not proven else Status.OK),
        evidence=_evidence([finding for _, finding in naming]),
        origin=origin,
        findings=tuple(dict.fromkeys(finding.id for finding in noted)),
        checks=tuple(result.name for result in results if key in result.keys or result.name in named_by),
    )


def _evidence(naming: list[Finding]) -> Evidence:
    if any(finding.layer is not Layer.CONFIG and finding.status is not Status.SKIP for finding in naming):
        return "probed"
    return "none" if any(finding.status is Status.FAIL for finding in naming) else "validated"


def _blames(finding: Finding) -> tuple[str, ...]:
    return finding.fields if finding.status >= Status.WARN else ()
