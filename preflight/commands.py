"""What each command does: from its options to the document that it prints."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from checks.base import Check, Diagnosis, Finding, Layer, Status
from preflight import __version__, bugs
from preflight.config import Config, load
from preflight.endings import EXTRA_CA_UNREADABLE
from preflight.options import Options, UsageError
from preflight.redact import Redactor
from preflight.report import Report, Result, ignoring, keys_of, masked, place, verdicts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from preflight.plan import Plan
    from preflight.signals import Signals

_NOTHING = Config(values={}, origins={}, findings=(), broken=frozenset(), keys={}, secrets=())


@dataclass
class Session:
    """One invocation: what was asked for, and what is known so far, also when it ends before its time."""

    options: Options
    signals: Signals
    config: Config = _NOTHING
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    _clock: float = field(default_factory=time.perf_counter)

    @property
    def source(self) -> str:
        """Where the configuration comes from."""
        return str(self.options.config or os.environ.get("MISTLE_CONFIG_PATH", "") or "environment")

    def report(  # noqa: PLR0913 - a report's parts
        self,
        results: tuple[Result, ...] = (),
        *,
        extra: tuple[Finding, ...] = (),
        unproven: frozenset[str] = frozenset(),
        tracebacks: tuple[str, ...] = (),
        probed: bool = True,
    ) -> Report:
        """The report of these results, with the configuration's own first and no secret in any of it."""
        config, options = self.config, self.options
        mask = Redactor(config.secrets, public=(*config.origins, *(place(key, config.origins) for key in config.origins)))
        shown = masked((self._configuration(extra), *results), mask)
        shown = ignoring(shown, frozenset(options.ignore))
        return Report(
            version=__version__,
            command=options.command,
            config=self.source,
            stage=options.stage,
            service=options.service,
            started_at=self.started_at,
            seconds=round(time.perf_counter() - self._clock, 4),
            results=shown,
            keys=verdicts(config.keys, shown, config.origins, unproven),
            fail_level=Status.WARN if options.fail_level == "warn" else Status.FAIL,
            ignored=frozenset(options.ignore),
            signal=self.signals.received,
            detail=options.detail,
            tracebacks=tuple(map(mask, tracebacks)),
        )

    def _configuration(self, extra: tuple[Finding, ...]) -> Result:
        findings = (*self.config.findings, *extra)
        keys = tuple(dict.fromkeys(key for finding in findings for key in finding.fields))
        sound = Finding("config.config", Layer.CONFIG, Status.OK, f"{len(self.config.keys)} keys are valid")
        seconds = round(time.perf_counter() - self._clock, 4)
        return Result("config", "config", self.source, keys, findings or (sound,), seconds)


def found(diagnosis: Diagnosis) -> Finding:
    """A diagnosis that belongs to the run, and to no check."""
    return Finding(diagnosis.cause.id, Layer.CONFIG, diagnosis.status, diagnosis.message, diagnosis.hint)


def run(session: Session) -> Report:
    """Check everything."""
    from checks.base import Settings
    from checks.trust import Trust
    from preflight import runner
    from preflight.progress import Progress

    extra_ca, findings = _begin(session)
    options, plan = session.options, _plan(session)
    settings = Settings(Trust(extra_ca), options.timeout, options.read_only)
    with Progress(sys.stderr, plan.checks) as progress:
        done = runner.run(
            plan.checks,
            settings,
            deadline=options.deadline,
            origins=session.config.origins,
            signals=session.signals,
            on_end=progress.ended,
        )
    results, errors = _compared((*done.results, *plan.blocked), session.config.origins)
    return session.report(
        results,
        extra=(*findings, *(found(bugs.diagnose(error)) for error in errors)),
        unproven=plan.unselected,
        tracebacks=(*done.bugs, *map(bugs.trace, errors)),
    )


def config(session: Session) -> Report:
    """Check the configuration alone."""
    _, findings = _begin(session)
    return session.report(extra=findings)


def plan(session: Session) -> Report:
    """Say what a run would check."""
    _, findings = _begin(session)
    session.options = replace(session.options, detail=session.options.detail or 1)
    plan = _plan(session)
    planned = tuple(map(_planned, plan.checks))
    return session.report((*planned, *plan.blocked), extra=findings, unproven=plan.unselected)


def explain(session: Session) -> str:
    """Say what a finding means."""
    from preflight import docs

    id_ = session.options.arguments[0]
    entries = docs.entries()
    if id_ not in entries:
        raise UsageError(f"there is no finding {id_!r}{_meant(id_, entries)}")
    return docs.explain(entries[id_])


COMMANDS: Mapping[str, Callable[[Session], Report | str]] = {
    "run": run,
    "config": config,
    "plan": plan,
    "explain": explain,
}


def _begin(session: Session) -> tuple[Path | None, tuple[Finding, ...]]:
    """The configuration, and the certificates to trust besides Mozilla's. Raises UsageError and ConfigError."""
    _know(session.options.ignore)
    extra_ca, findings = _extra_ca(session.options, os.environ.get("NODE_EXTRA_CA_CERTS", ""))
    session.config = load(session.options.config, os.environ)
    return extra_ca, findings


def _know(ids: tuple[str, ...]) -> None:
    if not ids:
        return
    from preflight import docs

    for id_ in ids:
        if id_ not in (known := docs.entries()):
            raise UsageError(f"--ignore: there is no finding {id_!r}{_meant(id_, known)}")


def _meant(word: str, known: Mapping[str, object]) -> str:
    close = get_close_matches(word, known, 1)
    return f"; did you mean {close[0]}?" if close else ""


def _extra_ca(options: Options, variable: str) -> tuple[Path | None, tuple[Finding, ...]]:
    file = options.ca_file or (Path(variable) if variable else None)
    reason = _unreadable(file) if file else ""
    if not reason:
        return file, ()
    if options.ca_file:
        raise UsageError(f"--ca-file: {file} {reason}")
    return None, (found(EXTRA_CA_UNREADABLE.found(f"{file} {reason}")),)


def _unreadable(file: Path) -> str:
    import ssl

    try:
        file.read_bytes()
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file)
    except ssl.SSLError:
        return "holds no PEM certificates"
    except (OSError, ValueError) as error:
        return f"cannot be read: {getattr(error, 'strerror', None) or error}"
    return ""


def _plan(session: Session) -> Plan:
    from preflight.plan import SelectionError, plan

    options = session.options
    try:
        return plan(session.config, stage=options.stage, service=options.service, only=options.only, skip=options.skip)
    except SelectionError as error:
        raise UsageError(str(error)) from error


def _compared(
    results: tuple[Result, ...], origins: Mapping[str, str]
) -> tuple[tuple[Result, ...], tuple[Exception, ...]]:
    from preflight.compare import compare

    try:
        return compare(results, origins), ()
    except Exception as error:  # noqa: BLE001 - what each check found must not be lost
        return results, (error,)


_WOULD = {
    Layer.CONFIG: "would be read",
    Layer.DNS: "the name would be resolved",
    Layer.CONNECT: "every address would be connected to",
    Layer.TLS: "the certificate would be held to what Mistle trusts",
    Layer.AUTH: "the credentials would be shown",
    Layer.ACCESS: "what Mistle does there would be done",
    Layer.FITNESS: "what was found would be held to what Mistle needs",
}


def _planned(check: Check) -> Result:
    keys = keys_of(check)
    findings = tuple(
        Finding(f"{check.prefix}.{layer}", layer, Status.SKIP, _WOULD[layer]) for layer in check.layers
    )
    return Result(check.name, check.kind, check.target, keys, findings)
