"""One distinct check on its way up: how it ends, and what is then known of it."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from checks.base import Check, Diagnosis, Finding, Recorder, Settings, Status
from checks.words import clean
from preflight import bugs
from preflight.blame import attribute, keys_of
from preflight.endings import TIMEOUT
from preflight.report import Result

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Climb:
    """A climb shared by equal ``checks``. It is over once, by its own end or by a cut, whichever comes first."""

    def __init__(self, checks: tuple[Check, ...], settings: Settings) -> None:
        self.checks, self.check, self.settings = checks, checks[0], settings
        self.bug = ""
        self.is_over = False
        self._late: int | None = None
        self.begin()

    def begin(self) -> None:
        """Start the clock."""
        self.record = Recorder(self.check, self.settings)
        self._started = self._ended = time.perf_counter()

    @property
    def worst(self) -> Finding | None:
        """The worst that was found so far."""
        return max(self.record.findings, key=lambda finding: finding.status, default=None)

    def cut(self, reason: Diagnosis | None = None) -> None:
        """End it from outside: for ``reason``, or at its own limit, which the check can explain."""
        if self.is_over:
            return
        self._close()
        before = len(self.record.findings)
        if reason is None:
            self._explain_limit()
        if len(self.record.findings) == before:
            self._note(reason or TIMEOUT.found(f"no answer within {self.settings.timeout:g} s"))
        self._late = len(self.record.findings)

    def end(self, error: BaseException | None = None) -> None:
        """It came to its own end, or to an error that no rung expected."""
        if not self.is_over:
            self._close()
            if error is not None:
                self._note_bug(error)

    def results(self, origins: Mapping[str, str]) -> Iterator[tuple[Check, Result]]:
        """What was found, for each of the checks. A climb that nobody ended is a bug."""
        self.end(None if self.is_over else RuntimeError("the climb was lost"))
        self.record.findings[:] = self._kept()
        findings, facts = self.record.finish(), _plain(self.record.facts)
        seconds = round(self._ended - self._started, 4)
        for check in self.checks:
            own = attribute(check, self.checks, findings, origins)
            yield check, Result(check.name, check.kind, check.target, keys_of(check), own, seconds, facts)

    def _close(self) -> None:
        self.is_over, self._ended = True, time.perf_counter()

    def _explain_limit(self) -> None:
        try:
            self.record.out_of_time()
        except Exception as error:
            self._note_bug(error)

    def _note_bug(self, error: BaseException) -> None:
        self.bug = f"{self.check.name}: {bugs.trace(error)}"
        self._note(bugs.diagnose(error))

    def _note(self, diagnosis: Diagnosis) -> None:
        """On the open rung, or on the first; blames what that rung would have proven, or else everything."""
        rung = {self.record.open_layer} & set(self.check.layers) or self.check.layers[:1]
        cause = replace(diagnosis.cause, layer=next(iter(rung)))
        self.record.note(replace(diagnosis, cause=cause))
        if diagnosis.blames is None and not self.record.findings[-1].fields:
            self.record.findings[-1] = replace(
                self.record.findings[-1], fields=tuple(name for name in self.check.sources if "*" not in name)
            )

    def _kept(self) -> list[Finding]:
        """After a cut, failures are its echo; a warning may name what the clean-up had to leave behind."""
        late = self.record.findings[self._late :] if self._late is not None else []
        return self.record.findings[: self._late] + [finding for finding in late if finding.status is Status.WARN]


def _plain(facts: Mapping[str, object]) -> dict[str, object]:
    """As a document can hold them: numbers and truths as they are, everything else as harmless words."""
    return {
        name: value if isinstance(value, int | float | None) else clean(str(value), 300)
        for name, value in facts.items()
    }
