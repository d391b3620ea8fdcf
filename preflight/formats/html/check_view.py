"""The layers of a check as the page shows them, each with all its findings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from checks.core.finding import Finding, Layer, Status
from preflight.grouping import grouped
from preflight.report.result import Result


@dataclass(frozen=True)
class LayerView:
    """One layer of a check, with its findings."""

    name: Layer
    findings: tuple[Finding, ...]

    @property
    def status(self) -> Status:
        return max(finding.status for finding in self.findings)

    @property
    def seconds(self) -> float:
        return max(finding.seconds for finding in self.findings)

    @property
    def reason(self) -> str:
        return next(finding.message for finding in self.findings if finding.status is Status.SKIP)


@dataclass(frozen=True)
class CheckView:
    """One result, with its number on the page."""

    number: int
    result: Result

    @property
    def layers(self) -> tuple[LayerView, ...]:
        """The layers that have findings, the lowest first."""
        by_layer = {layer: [each for each in self.result.findings if each.layer == layer] for layer in Layer}
        return tuple(LayerView(layer, tuple(findings)) for layer, findings in by_layer.items() if findings)


def by_kind(checks: Iterable[CheckView]) -> Mapping[str, list[CheckView]]:
    """The checks of each kind, kinds in the order in which they first occur."""
    return grouped(checks, lambda check: check.result.kind)
