"""The climb of a check as the page shows it: rungs, each with all that was found on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from checks.core.check import Layer, Status
from preflight.formats.shared.phrases import grouped

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from checks.core.check import Finding
    from preflight.report.model import Result


@dataclass(frozen=True)
class RungView:
    """One rung of a climb."""

    layer: Layer
    findings: tuple[Finding, ...]

    @property
    def status(self) -> Status:
        """The worst of its findings."""
        return max(finding.status for finding in self.findings)

    @property
    def seconds(self) -> float:
        """How long it took."""
        return max(finding.seconds for finding in self.findings)

    @property
    def reason(self) -> str:
        """Why it was not tried."""
        return next(finding.message for finding in self.findings if finding.status is Status.SKIP)


@dataclass(frozen=True)
class CheckView:
    """One result, by its number."""

    number: int
    result: Result

    @property
    def rungs(self) -> tuple[RungView, ...]:
        """The lowest first."""
        found = {layer: [each for each in self.result.findings if each.layer == layer] for layer in Layer}
        return tuple(RungView(layer, tuple(findings)) for layer, findings in found.items() if findings)


def by_kind(checks: Iterable[CheckView]) -> Mapping[str, list[CheckView]]:
    """The checks of each kind, kinds in the order in which they first occur."""
    return grouped(checks, lambda check: check.result.kind)
