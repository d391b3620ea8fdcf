"""What a command has found so far, and the report of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from checks.core.finding import Diagnosis, Finding, Layer, Status
from preflight.cli.options import UsageError
from preflight.config.loader import Config, ConfigError
from preflight.config.values import Values
from preflight.redaction import allowlist, own_text
from preflight.redaction.redactor import Redactor
from preflight.redaction.results import masked
from preflight.report import bugs
from preflight.report.model import Report, ignoring
from preflight.report.result import Result
from preflight.report.run_causes import INTERRUPTED, UNREADABLE, USAGE
from preflight.report.verdicts import verdicts
from preflight.run.signals import Interrupted
from preflight.version import __version__

if TYPE_CHECKING:
    from preflight.cli.invocation import Invocation

_SHARE = 0.15  # seconds of CPU: many times what a usual report takes, and little beside a deadline
_NOTHING = Config(values=Values(), origins={}, findings=(), broken=frozenset(), keys={}, secrets=())


@dataclass
class SoFar:
    """Each step of a command adds its result here: after a signal or a bug, this is what can be reported.

    ``findings`` concern the run and no check; ``ignored`` are their ids and those of checks; ``unproven`` keys are
    those that some check would have proven; ``closing_text`` is for standard error, after the report.
    """

    config: Config = _NOTHING
    ignored: frozenset[str] = frozenset()
    seconds_of_reading: float = 0.0
    results: tuple[Result, ...] = ()
    unproven: frozenset[str] = frozenset()
    findings: list[Finding] = field(default_factory=list)
    tracebacks: list[str] = field(default_factory=list)
    closing_text: str = ""

    def note(self, diagnosis: Diagnosis | None) -> None:
        """Add a finding of the run, if there is one."""
        self.findings += [_finding(diagnosis)] if diagnosis else []

    def note_error(self, error: BaseException, doing: str) -> None:
        """Add what ended the command while it was ``doing`` something: its caller, a signal or a bug."""
        match error:
            case UsageError():
                self.note(USAGE.diagnosis(str(error)))
            case ConfigError():
                self.note(UNREADABLE.diagnosis(str(error)))
            case Interrupted():
                self.note(INTERRUPTED.diagnosis("interrupted before anything was checked"))
            case _:
                self.note_bug(error, doing)

    def note_bug(self, error: BaseException, doing: str) -> None:
        """Add a bug in this program. Its message may hold a secret, and the secrets are those of the configuration."""
        diagnosis = bugs.diagnose(error)
        self.note(replace(diagnosis, message=f"{doing}: {diagnosis.message}"))
        self.tracebacks.append(bugs.trace(doing, error, with_message=self.config is not _NOTHING))


def report(invocation: Invocation, so_far: SoFar) -> Report:
    """The report of what was found so far, the configuration first, without secrets."""
    config, options, signal = so_far.config, invocation.options, invocation.signals.received
    mask = Redactor(config.secrets, allowlist.names(config.origins)).with_limit(_search_end(invocation))
    ignored = so_far.ignored
    targets = allowlist.targets(config.values) | {invocation.source}
    results = (_configuration(invocation, so_far), *so_far.results)
    shown = ignoring(masked(results, mask, targets), ignored)
    return Report(
        version=__version__,
        command=options.command,
        config=invocation.source,
        stage=options.stage,
        service=options.service,
        started_at=invocation.started_at,
        seconds=invocation.seconds,
        results=shown,
        keys=verdicts(config.keys, shown, config.origins, so_far.unproven, config.missing),
        fail_level=invocation.fail_level,
        ignored=ignored,
        signal=signal,
        detail=invocation.detail,
        file=invocation.file_in_repository,
        tracebacks=tuple(mask(own_text.mark_foreign_lines(traceback)) for traceback in so_far.tracebacks),
    )


def _search_end(invocation: Invocation) -> Callable[[], bool]:
    """Whether the search for secrets must end: at the deadline or a signal, but never before its share of time."""
    started = time.thread_time()

    def is_late() -> bool:
        return bool(invocation.signals.received or invocation.seconds > invocation.options.deadline) and (
            time.thread_time() - started > _SHARE
        )

    return is_late


def _configuration(invocation: Invocation, so_far: SoFar) -> Result:
    findings = (*so_far.config.findings, *so_far.findings)
    keys = tuple(dict.fromkeys(key for finding in findings for key in finding.fields))
    valid = Finding("config.config", Layer.CONFIG, Status.OK, f"{len(so_far.config.keys)} keys are valid")
    shown = (*(findings or (valid,)), *(_late_signal(so_far) if invocation.signals.received else ()))
    return Result("config", "config", invocation.source, keys, shown, so_far.seconds_of_reading)


def _late_signal(so_far: SoFar) -> tuple[Finding, ...]:
    """The finding of a signal that ended no check, and so is in no result."""
    reported = (*so_far.findings, *(finding for result in so_far.results for finding in result.findings))
    if INTERRUPTED.id in {finding.id for finding in reported}:
        return ()
    return (_finding(INTERRUPTED.diagnosis("interrupted when everything was checked")),)


def _finding(diagnosis: Diagnosis) -> Finding:
    return Finding(diagnosis.cause.id, Layer.CONFIG, diagnosis.status, diagnosis.message, diagnosis.hint)
