"""One distinct check on its way up: how it ends, and what is then known of it."""

from __future__ import annotations

import threading
import time
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING

from checks.core import unexpected
from checks.core.check import Check, Diagnosis, Finding, Layer, Settings, Status
from checks.core.recorder import Recorder
from preflight.report import bugs
from preflight.report.attribution import attribute, keys_of
from preflight.report.model import Result, fact
from preflight.report.run_causes import TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from preflight.config.origin import Origin


class Execution:
    """A climb shared by equal ``checks``. It is over once, by its own end or by a cut, whichever comes first.

    The checks' thread begins and ends it, the main thread cuts it.
    """

    def __init__(self, checks: tuple[Check, ...], settings: Settings) -> None:
        self.checks, self.check, self.settings = checks, checks[0], settings
        self.bug = ""
        self.is_begun = self.is_over = False
        self._late: int | None = None
        self._turn = threading.Lock()
        self._start()

    def start(self) -> bool:
        """Start the clock, unless it is over already."""
        with self._turn:
            if not self.is_over:
                self.is_begun = True
                self._start()
            return not self.is_over

    def abort(self, reason: Diagnosis | None = None) -> None:
        """End it from outside: for ``reason``, or at its own limit, which the check can explain."""
        with self._turn:
            if self.is_over:
                return
            if not self.record.has_ended:
                self._explain(reason)
            self._late = len(self.record.findings)
            self._close()  # last: without the memory for a finding, it is not over

    def finish(self, error: BaseException | None = None) -> None:
        """It came to its own end, or to an error that no rung expected: of a reply that cannot be read, or a bug."""
        with self._turn:
            if not self.is_over:
                if error is not None:
                    self._note_error(error)
                self._close()

    def results(self, origins: Mapping[str, Origin]) -> tuple[tuple[Check, Result], ...]:
        """What is found so far, for each of the checks. A climb that nobody ended is a bug."""
        self.finish(None if self.is_over else RuntimeError("the climb was lost"))
        record = copy(self.record)
        record.findings = self._kept()
        return tuple((check, self._result(check, copy(record), origins)) for check in self.checks)

    def _result(self, check: Check, record: Recorder, origins: Mapping[str, Origin]) -> Result:
        seconds = round(self._ended - self._started, 4)
        try:
            own = attribute(check, self.checks, record.finish(), origins)
            facts = {name: fact(value) for name, value in record.facts.items()}
            return Result(check.name, check.kind, check.target, keys_of(check), own, seconds, facts)
        except BaseException as error:  # it cannot even say what it is
            self._remember(error)
            return bugs.result(check.name, check.kind, keys_of(check), error, seconds)

    def _start(self) -> None:
        self.record = Recorder(self.check, self.settings)
        self._started = self._ended = time.perf_counter()

    def _close(self) -> None:
        self.is_over, self._ended = True, time.perf_counter()

    def _explain(self, reason: Diagnosis | None) -> None:
        before = len(self.record.findings)
        if reason is None:
            self._explain_limit()
        if len(self.record.findings) == before:
            self._note(reason or TIMEOUT.diagnosis(f"no answer within {self.settings.timeout:g} s"))

    def _explain_limit(self) -> None:
        try:
            self.record.out_of_time()
        except BaseException as error:
            self._note_error(error)

    def _note_error(self, error: BaseException) -> None:
        self._remember(error)
        self._note(unexpected.diagnose(self.check, error) or bugs.diagnose(error))

    def _remember(self, error: BaseException) -> None:
        told = bugs.trace(self.check.name, error)
        self.bug += "" if told in self.bug else told

    def _note(self, diagnosis: Diagnosis) -> None:
        """On the open rung, or on the first; blames what that rung would have proven, or else everything."""
        self.record.note(replace(diagnosis, cause=replace(diagnosis.cause, layer=self._rung)))
        if diagnosis.blames is None and not self.record.findings[-1].fields:
            self.record.findings[-1] = replace(
                self.record.findings[-1], fields=tuple(name for name in self.check.sources if "*" not in name)
            )

    @property
    def _rung(self) -> Layer:
        try:
            layers = self.check.layers
        except BaseException:  # the result will tell of it
            return Layer.CONFIG
        return self.record.open_layer if self.record.open_layer in layers else layers[0]

    def _kept(self) -> list[Finding]:
        """After a cut, failures are its echo; a warning may name what the clean-up had to leave behind."""
        late = self.record.findings[self._late :] if self._late is not None else []
        return self.record.findings[: self._late] + [finding for finding in late if finding.status is Status.WARN]
