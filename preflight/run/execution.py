"""One run of a check: how it ends, and what it has found until then."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from copy import copy
from dataclasses import replace
from hashlib import blake2b

from checks.core import unexpected
from checks.core.check import Check
from checks.core.finding import Diagnosis, Finding, Layer, Status, StopCheck
from checks.core.recorder import Recorder, Settings
from checks.net import network_errors
from preflight.config.origin import Origin
from preflight.report import bugs, run_causes
from preflight.report.attribution import attribute, keys_of
from preflight.report.result import Result, fact
from preflight.report.run_causes import CAME_UP, TIMEOUT

_SALT = secrets.token_bytes(16)


def _label(login: tuple[str, str] | None) -> str:
    """A label that is the same for equal logins of this process, and reveals nothing about them."""
    return blake2b(repr(login).encode(errors="surrogateescape"), key=_SALT, digest_size=8).hexdigest() if login else ""


class Execution:
    """One run for all equal ``checks``. It ends once: by itself or by an abort, whichever comes first.

    The checks' thread starts and finishes it, the main thread aborts it.
    """

    def __init__(self, checks: tuple[Check, ...], settings: Settings) -> None:
        self.checks, self.check, self.settings = checks, checks[0], settings
        self.bug = ""
        self.is_started = self.is_over = self._is_settled = False
        self._attempts, self._first_start = 0, time.perf_counter()
        self._findings_at_abort: int | None = None
        self._lock = threading.RLock()
        self._reset()

    def start(self) -> bool:
        """Start the clock, unless the execution is over. Returns whether it was started."""
        with self._lock:
            if not self.is_over:
                self.is_started = True
                self._attempts += 1
                self._reset()
            return not self.is_over

    def start_again(self) -> bool:
        """Forget how it ended, for another attempt. Returns False if it is settled."""
        with self._lock:
            if not self._is_settled:
                self.is_over, self._findings_at_abort = False, None
            return not self.is_over

    def settle(self) -> bool:
        """If it is over, there is no other attempt. Returns whether it is over."""
        with self._lock:
            self._is_settled = self._is_settled or self.is_over
            return self.is_over

    @contextmanager
    def catching(self) -> Iterator[None]:
        """The boundary for a check: whatever its code raises in this block ends this execution alone.

        Also SystemExit and KeyboardInterrupt: raised by a driver, they would end the event loop.
        """
        try:
            yield
        except StopCheck:
            self.finish()
        except BaseException as error:
            self.finish(error)

    def abort(self, reason: Diagnosis | None = None) -> None:
        """End it from outside: for ``reason``, or at the check's own limit, which the check can explain."""
        with self._lock:
            if self.is_over:
                return
            if not self.record.has_ended:
                self._explain(reason)
            self._findings_at_abort = len(self.record.findings)
            self._is_settled = reason is not None
            self._close()  # last: without the memory for a finding, it is not over

    def finish(self, error: BaseException | None = None) -> None:
        """End it, unless it is over. ``error`` was raised outside of a layer: by an unreadable reply, or by a bug."""
        with self._lock:
            if not self.is_over:
                if error is not None:
                    self._note_error(error)
                elif self._attempts > 1 and all(each.status < Status.FAIL for each in self.record.findings):
                    seconds = time.perf_counter() - self._first_start
                    self.record.note(CAME_UP.diagnosis(f"came up after {seconds:.1f} s, at attempt {self._attempts}"))
                self._close()

    def results(self, origins: Mapping[str, Origin]) -> tuple[tuple[Check, Result], ...]:
        """The result of each of the checks. Only a bug of the runner leaves an execution that is not over."""
        self.finish(None if self.is_over else RuntimeError("the check did not end"))
        record = copy(self.record)
        record.findings = self._reported()
        return tuple((check, self._result(check, copy(record), origins)) for check in self.checks)

    def _result(self, check: Check, record: Recorder, origins: Mapping[str, Origin]) -> Result:
        seconds = self._seconds
        try:
            own = attribute(check, self.checks, record.finish(), origins)
            facts = {name: fact(value) for name, value in (check.server_facts | record.facts).items()}
            result = Result(check.name, check.kind, check.target, keys_of(check), own, seconds, facts)
            return replace(result, credential=_label(check.login))
        except BaseException as error:  # after the check's end: its target or its layers have the bug
            self._keep_traceback(error)
            return bugs.result(check.name, check.kind, keys_of(check), error, seconds)

    def _reset(self) -> None:
        self.record = Recorder(self.check, self.settings)
        self._seconds = 0.0

    def _close(self) -> None:
        self.is_over, self._seconds = True, self.record.seconds

    def _explain(self, reason: Diagnosis | None) -> None:
        before = len(self.record.findings)
        if reason is None:
            with self.catching():
                self.record.out_of_time()
        if len(self.record.findings) == before:
            self._note(reason or TIMEOUT.diagnosis(f"no reply within {self.settings.timeout:g} s"))

    def _note_error(self, error: BaseException) -> None:
        self._keep_traceback(error)
        self._note(unexpected.diagnose(self.check, error) or bugs.diagnose(error))

    def _keep_traceback(self, error: BaseException) -> None:
        traceback = bugs.trace(self.check.name, error)
        self.bug += "" if traceback in self.bug else traceback

    def _note(self, diagnosis: Diagnosis) -> None:
        """Add a finding to the open layer. It blames what that layer would have proven, or else every field."""
        self.record.note(replace(diagnosis, cause=replace(diagnosis.cause, layer=self._layer)))
        if diagnosis.blames is None and not self.record.findings[-1].fields:
            self.record.findings[-1] = replace(
                self.record.findings[-1], fields=tuple(name for name in self.check.sources if "*" not in name)
            )

    @property
    def healing_ids(self) -> frozenset[str]:
        """The ids of this check's findings that may disappear by waiting."""
        causes = (*self.check.causes, *network_errors.CAUSES, *run_causes.CAUSES)
        return frozenset(cause.id for cause in causes if cause.heals)

    @property
    def _layer(self) -> Layer:
        with suppress(BaseException):  # a bug in ``layers`` is reported with the result
            layers = self.check.layers
            return self.record.open_layer if self.record.open_layer in layers else layers[0]
        return Layer.CONFIG

    def _reported(self) -> list[Finding]:
        """After an abort, ignore failures (the abort caused them) but keep warnings: they may name leftovers."""
        end = self._findings_at_abort
        late = self.record.findings[end:] if end is not None else []
        return self.record.findings[:end] + [finding for finding in late if finding.status is Status.WARN]
