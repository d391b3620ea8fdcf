"""Run one check, as the runner does, and look up what it found."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from checks.base import Check, ClimbEnded, Finding, Layer, Recorder, Settings, Status
from checks.threads import Loop
from checks.trust import Trust


@dataclass(frozen=True)
class Climb:
    """What one run of one check found."""

    findings: tuple[Finding, ...]
    facts: dict[str, object]

    def __getitem__(self, finding_id: str) -> Finding:
        """The one finding with this id; the others are in the message where there is none."""
        found = [finding for finding in self.findings if finding.id == finding_id]
        assert len(found) == 1, "\n".join(map(str, self.findings))
        return found[0]

    @property
    def status(self) -> Status:
        return max(finding.status for finding in self.findings)

    def fails(self, finding_id: str, layer: Layer, *fields: str, hint: str) -> Finding:
        """This finding, and no other, failed: at this layer, blaming these fields, with these words in the hint."""
        finding = self[finding_id]
        failed = [each.id for each in self.findings if each.status is Status.FAIL]
        assert failed == [finding_id], "\n".join(map(str, self.findings))
        _agrees(finding, layer, fields, hint)
        return finding

    def warns(self, finding_id: str, layer: Layer, *fields: str, hint: str) -> Finding:
        """This finding is a warning, and nothing failed."""
        finding = self[finding_id]
        assert self.status is finding.status is Status.WARN, "\n".join(map(str, self.findings))
        _agrees(finding, layer, fields, hint)
        return finding


def climb(check: Check, *, timeout: float = 4.0, read_only: bool = False, extra: Path | None = None) -> Climb:
    """One run of the check, within its limit in seconds."""
    record = Recorder(check, Settings(Trust(extra), timeout, read_only))
    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(_run(check, record))
    return Climb(record.finish(), record.facts)


async def _run(check: Check, record: Recorder) -> None:
    try:
        async with asyncio.timeout(record.settings.timeout):
            await check.run(record)
    except ClimbEnded:
        pass
    except TimeoutError:
        record.out_of_time()


def _agrees(finding: Finding, layer: Layer, fields: tuple[str, ...], hint: str) -> None:
    assert finding.layer is layer
    assert finding.fields == fields
    assert finding.message
    assert hint in finding.hint
