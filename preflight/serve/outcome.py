"""The outcome of one run. For a run that ended without a report, a report of that failure is made."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from checks.core.finding import Diagnosis, Finding, Layer
from preflight import formats
from preflight.report import bugs
from preflight.report.model import Report
from preflight.report.result import Result
from preflight.report.run_causes import BUG, died
from preflight.saved import reader
from preflight.saved.reader import SavedReport
from preflight.version import __version__


@dataclass(frozen=True)
class ProcessOutput:
    """What a process wrote, and its exit code (None: it was killed, because it took too long)."""

    documents: Mapping[str, bytes]
    code: int | None
    seconds: float


@dataclass(frozen=True)
class RunScope:
    """What a run checks: the configuration, the stage and the service."""

    config: str
    stage: str
    service: str | None


@dataclass(frozen=True)
class Outcome:
    """``documents``: the report in each format that was asked for. ``ended`` is monotonic, in seconds."""

    documents: Mapping[str, bytes]
    report: SavedReport
    code: int
    seconds: float
    ended_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    ended: float = field(default_factory=time.monotonic)

    @property
    def ready(self) -> bool:
        """Whether its exit code was 0."""
        return self.code == 0


def failed(error: Exception, names: tuple[str, ...], scope: RunScope) -> Outcome:
    """The outcome if no process could be started, or its output could not be read."""
    return _reporting(bugs.diagnose(error), 0.0, names, scope)


def outcome(output: ProcessOutput, names: tuple[str, ...], scope: RunScope) -> Outcome:
    """The outcome of a run that was asked for these formats."""
    try:
        report = reader.parse(output.documents.get("json", b""), "run", "the run's output")
    except reader.SavedReportError:
        return _without_report(output, names, scope)
    if output.code is None or output.code < 0 or not all(map(output.documents.get, names)):
        return _without_report(output, names, scope)
    return Outcome(output.documents, report, output.code, output.seconds)


def _without_report(output: ProcessOutput, names: tuple[str, ...], scope: RunScope) -> Outcome:
    diagnosis = died(output.code) if output.code is not None else _hung(output.seconds)
    return _reporting(diagnosis, output.seconds, names, scope)


def _reporting(diagnosis: Diagnosis, seconds: float, names: tuple[str, ...], scope: RunScope) -> Outcome:
    report = _report(diagnosis, seconds, scope)
    documents = {name: formats.renderer(name)(report).encode() for name in names}
    return Outcome(documents, reader.parse(documents["json"], "run", ""), report.exit_code, seconds)


def _hung(seconds: float) -> Diagnosis:
    return BUG.diagnosis(f"the process that made the checks did not end; it was killed after {seconds:.1f} s")


def _report(diagnosis: Diagnosis, seconds: float, scope: RunScope) -> Report:
    """A report with this finding alone. Its exit code is not 0."""
    finding = Finding(diagnosis.cause.id, Layer.CONFIG, diagnosis.status, diagnosis.message, diagnosis.hint)
    return Report(
        version=__version__,
        command="run",
        config=scope.config,
        stage=scope.stage,
        service=scope.service,
        started_at=datetime.fromtimestamp(time.time() - seconds, UTC),
        seconds=round(seconds, 4),
        results=(Result("config", "config", scope.config, (), (finding,)),),
    )
