"""One invocation of the command: what was asked for, and what is known so far, also when it ends before its time."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

from checks.core.check import Diagnosis, Finding, Layer, Status
from checks.core.text import clean
from preflight.config.loader import Config, is_standard_input
from preflight.config.sources.toml_file import STANDARD_INPUT
from preflight.output.workspace import in_repository
from preflight.redaction import allowlist, own_text
from preflight.redaction.redactor import Redactor
from preflight.redaction.results import masked
from preflight.report import bugs
from preflight.report.model import Report, Result, ignoring
from preflight.report.run_causes import INTERRUPTED
from preflight.report.verdicts import verdicts
from preflight.run.signals import Signals
from preflight.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from preflight.cli.options import Options

_MOMENT = 0.3  # seconds
_SHARE = 0.15  # seconds of CPU: many times what an honest report takes, and little beside a deadline
_NOTHING = Config(values={}, origins={}, findings=(), broken=frozenset(), keys={}, secrets=())


@dataclass
class Invocation:
    """Filled in as the command goes along; at any moment it can give a report."""

    options: Options
    signals: Signals = field(default_factory=Signals)
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    terminal: TextIO | None = None  # where progress is drawn, if it is one
    apart: bool = False  # whether the checks run in a process of their own
    config: Config = _NOTHING
    mask: Redactor = field(default_factory=Redactor)
    findings: list[Finding] = field(default_factory=list)
    tracebacks: list[str] = field(default_factory=list)
    results: tuple[Result, ...] = ()
    unproven: frozenset[str] = frozenset()
    reading: float = 0.0  # seconds that the configuration took
    _started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    _clock: float = field(default_factory=time.perf_counter)

    @property
    def source(self) -> str:
        """Where the configuration comes from."""
        if is_standard_input(self.options.config):
            return STANDARD_INPUT
        return clean(self._named, 300) or "environment"

    @property
    def _file(self) -> str | None:
        """The configuration's file as its repository knows it, if there is one."""
        if is_standard_input(self.options.config) or not self._named:
            return None
        return clean(in_repository(self._named, self.environ), 1000)

    @property
    def _named(self) -> str:
        return str(self.options.config or self.environ.get("MISTLE_CONFIG_PATH", ""))

    @property
    def fail_level(self) -> Status:
        """From where on a finding counts."""
        return Status[self.options.fail_level.upper()]

    @property
    def patience(self) -> float:
        """How many seconds a file may keep the command waiting: as many as a check, within the deadline; a moment at
        least, which is enough for one that is there.
        """
        return max(_MOMENT, min(self.options.timeout, self.left))

    @property
    def left(self) -> float:
        """How many seconds a report may take to be written: until the deadline, and a moment at least."""
        return max(_MOMENT, self.options.deadline - self.seconds)

    @property
    def seconds(self) -> float:
        """How long it has been going."""
        return round(time.perf_counter() - self._clock, 4)

    def read(self, config: Config) -> None:
        """Know the configuration, and from now on what of it must not be shown."""
        self.config, self.mask = config, Redactor(config.secrets, allowlist.names(config.origins))

    def note(self, diagnosis: Diagnosis) -> None:
        """Record what belongs to the run, and to no check."""
        self.findings.append(_finding(diagnosis))

    def note_bug(self, error: BaseException, doing: str) -> None:
        """Record what went wrong in this program itself, and what it was ``doing``."""
        met = bugs.diagnose(error)
        self.note(replace(met, message=f"{doing}: {met.message}"))
        known = self.config is not _NOTHING  # and with it what has to be masked
        self.tracebacks.append(bugs.trace(doing, error, words=known))

    def report(self) -> Report:
        """What is known, the configuration first, with no secret in any of it."""
        config, options, signal = self.config, self.options, self.signals.received
        mask = self.mask.with_limit(self._search_end())
        ignored = frozenset(options.ignore)
        targets = allowlist.targets(config.values) | {self.source}
        shown = ignoring(masked((self._configuration(signal), *self.results), mask, targets), ignored)
        return Report(
            version=__version__,
            command=options.command,
            config=self.source,
            stage=options.stage,
            service=options.service,
            started_at=self._started_at,
            seconds=self.seconds,
            results=shown,
            keys=verdicts(config.keys, shown, config.origins, self.unproven),
            fail_level=self.fail_level,
            ignored=ignored,
            signal=signal,
            detail=options.detail,
            file=self._file,
            tracebacks=tuple(mask(own_text.mark_foreign_lines(each)) for each in self.tracebacks),
        )

    def _search_end(self) -> Callable[[], bool]:
        """Says when the search for secrets has to end: at the deadline or a signal, but not before it had its share."""
        begun = time.thread_time()

        def is_late() -> bool:
            return bool(self.signals.received or self.seconds > self.options.deadline) and (
                time.thread_time() - begun > _SHARE
            )

        return is_late

    def _configuration(self, signal: int | None) -> Result:
        findings = (*self.config.findings, *self.findings)
        keys = tuple(dict.fromkeys(key for finding in findings for key in finding.fields))
        sound = Finding("config.config", Layer.CONFIG, Status.OK, f"{len(self.config.keys)} keys are valid")
        found = (*(findings or (sound,)), *(self._interruption() if signal else ()))
        return Result("config", "config", self.source, keys, found, self.reading)

    def _interruption(self) -> tuple[Finding, ...]:
        """What nothing else tells of a signal that cut nothing short."""
        told = (*self.findings, *(finding for result in self.results for finding in result.findings))
        if INTERRUPTED.id in {finding.id for finding in told}:
            return ()
        return (_finding(INTERRUPTED.diagnosis("interrupted when everything was checked")),)


def _finding(diagnosis: Diagnosis) -> Finding:
    return Finding(diagnosis.cause.id, Layer.CONFIG, diagnosis.status, diagnosis.message, diagnosis.hint)
