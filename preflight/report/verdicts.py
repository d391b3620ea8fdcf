"""Derives a verdict for each key from the findings. A key is proven only if a layer of a check passed with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from checks.core.finding import Finding, Layer, Status
from preflight.report.model import Evidence, KeyVerdict
from preflight.report.result import Result

if TYPE_CHECKING:
    from preflight.config.origin import InFile, Origin

Named: TypeAlias = tuple[Result, Finding]  # a finding that names a key, with the result that it belongs to


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
    naming: defaultdict[str, list[Named]] = defaultdict(list)
    for result in results:
        for finding in result.findings:
            for key in finding.fields:
                naming[key].append((result, finding))
    blamed = (key for result in results for finding in result.findings for key in _blames(finding))
    return tuple(
        KeyVerdict(
            key=key,
            status=_status(key, naming[key], results, key in unproven),
            evidence=_evidence([finding for _, finding in naming[key]]),
            origin=origins.get(key),
            findings=tuple(dict.fromkeys(finding.id for _, finding in _not_ok(naming[key]))),
            checks=_checks(key, naming[key], results),
            belongs=(missing or {}).get(key),
        )
        for key in dict.fromkeys((*listed, *blamed))
    )


def _status(key: str, naming: list[Named], results: tuple[Result, ...], unproven: bool) -> Status:
    not_ok = _not_ok(naming)
    blames = [finding.status for _, finding in not_ok if finding.status >= Status.WARN]
    proven = any(finding.status is Status.OK and not result.is_cut_short for result, finding in naming)
    missed = unproven or bool(not_ok) or any(key in result.keys and not result.is_complete for result in results)
    return max(blames, default=Status.SKIP if missed and not proven else Status.OK)


def _checks(key: str, naming: list[Named], results: tuple[Result, ...]) -> tuple[str, ...]:
    """The checks of the key, and those with a finding about it that is not ok."""
    names = {result.name for result, _ in _not_ok(naming)}
    return tuple(result.name for result in results if key in result.keys or result.name in names)


def _not_ok(naming: list[Named]) -> list[Named]:
    return [(result, finding) for result, finding in naming if finding.status is not Status.OK]


def _evidence(naming: list[Finding]) -> Evidence:
    if any(finding.layer is not Layer.CONFIG and finding.status is not Status.SKIP for finding in naming):
        return "probed"
    return "none" if any(finding.status is Status.FAIL for finding in naming) else "validated"


def _blames(finding: Finding) -> tuple[str, ...]:
    return finding.fields if finding.status >= Status.WARN else ()
