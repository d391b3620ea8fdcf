"""What a run found: a result for every check, a verdict for every key, and the exit code that follows."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from checks.base import Check, Finding, Layer, Status
from preflight.endings import CUT_SHORT, EXIT_CODES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

Evidence = Literal["probed", "validated", "none"]


@dataclass(frozen=True)
class Result:
    """What one check found. In its findings, ``fields`` are configuration keys. ``facts`` are for compare()."""

    name: str
    kind: str
    target: str
    keys: tuple[str, ...]
    findings: tuple[Finding, ...]
    seconds: float = 0.0
    facts: Mapping[str, object] = field(default_factory=dict)

    @property
    def status(self) -> Status:
        """The worst of its findings."""
        return max((finding.status for finding in self.findings), default=Status.OK)

    @property
    def is_complete(self) -> bool:
        """Whether every rung was climbed."""
        return not {Status.SKIP, Status.FAIL} & {finding.status for finding in self.findings}

    @property
    def is_cut_short(self) -> bool:
        """Whether it ended for a reason that says nothing of its target."""
        return any(finding.id in CUT_SHORT for finding in self.findings)


@dataclass(frozen=True)
class KeyVerdict:
    """What is known of one configuration key. ``evidence`` is ``probed`` only where a live rung exercised it."""

    key: str
    status: Status
    evidence: Evidence
    origin: str | None
    findings: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything that a format shows. ``detail``: -1 failures only, 0 the usual, 1 every rung.

    ``tracebacks`` of bugs are for whoever mends them, and in no format.
    """

    version: str
    command: str
    config: str | None
    stage: str
    service: str | None
    started_at: datetime
    seconds: float
    results: tuple[Result, ...]
    keys: tuple[KeyVerdict, ...] = ()
    fail_level: Status = Status.FAIL
    ignored: frozenset[str] = frozenset()
    signal: int | None = None
    detail: int = 0
    tracebacks: tuple[str, ...] = ()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Those of all checks."""
        return tuple(finding for result in self.results for finding in result.findings)

    @property
    def ready(self) -> bool:
        """Whether the run came to its end, with nothing at the fail level that is not ignored."""
        return self.exit_code == 0

    @property
    def exit_code(self) -> int:
        """0 ready, 1 not ready, 2 could not start, 3 a bug, 130 and 143 interrupted."""
        if self.signal:
            return 128 + self.signal
        met = {finding.id for finding in self.findings}
        counted = [finding for finding in self.findings if finding.id not in self.ignored]
        verdict = int(any(finding.status >= self.fail_level for finding in counted))
        return next((code for id_, code in EXIT_CODES.items() if id_ in met), verdict)

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """How many checks and keys have each status."""
        tallies = {
            "checks": Counter(result.status for result in self.results),
            "keys": Counter(verdict.status for verdict in self.keys),
        }
        return {name: {str(status): tally[status] for status in Status} for name, tally in tallies.items()}


def keys_of(check: Check) -> tuple[str, ...]:
    """Every configuration key that the check's fields came from."""
    return _keys(check, (name for name in check.sources if not name.endswith(".*")))


def place(key: str, origins: Mapping[str, str]) -> str:
    """Where the operator wrote a key: ``email.smtp.port (mistle.toml:42)``."""
    return f"{key} ({origins[key]})" if key in origins else key


def attribute(
    check: Check, siblings: tuple[Check, ...], findings: tuple[Finding, ...], origins: Mapping[str, str]
) -> tuple[Finding, ...]:
    """The findings of a climb as this check's own: fields become keys, hints name places.

    ``siblings`` are the equal checks that shared the climb; what concerns only their keys is left to them.
    """
    own = (finding for finding in findings if not _concerns_others(check, siblings, finding))
    return tuple(_attributed(check, finding, origins) for finding in own)


def filled(finding: Finding, origins: Mapping[str, str]) -> Finding:
    """A finding whose fields are keys already, with the places of those in its hint."""
    return replace(finding, hint=_fill(finding.hint, {"blamed": _places(finding.fields, origins)}))


def ignoring(results: tuple[Result, ...], ignored: frozenset[str]) -> tuple[Result, ...]:
    """The results with the ignored failures as warnings."""
    return _each_finding(results, lambda finding: _softened(finding) if finding.id in ignored else finding)


def masked(results: tuple[Result, ...], mask: Callable[[str], str]) -> tuple[Result, ...]:
    """The results with every text that came from elsewhere masked."""
    shown = tuple(replace(result, target=mask(result.target)) for result in results)
    return _each_finding(
        shown, lambda finding: replace(finding, message=mask(finding.message), hint=mask(finding.hint))
    )


def verdicts(
    listed: Iterable[str],
    results: tuple[Result, ...],
    origins: Mapping[str, str],
    unproven: frozenset[str] = frozenset(),
) -> tuple[KeyVerdict, ...]:
    """A verdict for every listed key, in that order, then for every other key that a finding blames.

    ``unproven`` are keys that some check would have proven, had it been selected.
    """
    blamed = (key for result in results for finding in result.findings for key in _blames(finding))
    return tuple(_verdict(key, results, origins.get(key), key in unproven) for key in dict.fromkeys((*listed, *blamed)))


def _verdict(key: str, results: tuple[Result, ...], origin: str | None, unproven: bool) -> KeyVerdict:
    naming = [(result, finding) for result in results for finding in result.findings if key in finding.fields]
    noted = [finding for _, finding in naming if finding.status is not Status.OK]
    blames = [finding.status for finding in noted if finding.status >= Status.WARN]
    proven = any(finding.status is Status.OK and not result.is_cut_short for result, finding in naming)
    missed = unproven or bool(noted) or any(key in result.keys and not result.is_complete for result in results)
    named_by = {result.name for result, finding in naming if finding in noted}
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


def _keys(check: Check, fields: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(key for name in fields for key in check.sources.get(name) or _item(check, name)))


def _item(check: Check, name: str) -> tuple[str, ...]:
    """The keys of one item of a field, such as one version's master key, that the configuration need not hold."""
    field_name, _, item = name.partition(".")
    return tuple(key.replace("*", item) for key in check.sources.get(f"{field_name}.*", ()))


def _concerns_others(check: Check, siblings: tuple[Check, ...], finding: Finding) -> bool:
    return not _keys(check, finding.fields) and any(_keys(sibling, finding.fields) for sibling in siblings)


def _attributed(check: Check, finding: Finding, origins: Mapping[str, str]) -> Finding:
    keys = _keys(check, finding.fields)
    if _blames(finding) and not keys:
        keys = keys_of(check)
    places = {name: _places(check.sources[name], origins) for name in check.sources}
    places["blamed"] = _places(keys or keys_of(check), origins)
    return replace(finding, fields=keys, hint=_fill(finding.hint, places))


def _fill(hint: str, places: Mapping[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda brace: places.get(brace[1], brace[0]), hint)


def _places(keys: Iterable[str], origins: Mapping[str, str]) -> str:
    *others, last = [place(key, origins) for key in keys] or [""]
    return f"{', '.join(others)} and {last}" if others else last


def _softened(finding: Finding) -> Finding:
    return replace(finding, status=min(finding.status, Status.WARN))


def _each_finding(results: tuple[Result, ...], change: Callable[[Finding], Finding]) -> tuple[Result, ...]:
    return tuple(replace(result, findings=tuple(map(change, result.findings))) for result in results)
