"""The recorder of one check: its layers, its findings, its facts and its time; and the settings of a run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Protocol

from checks.core import machine
from checks.core.finding import CheckTimeout, Diagnosed, Diagnosis, Finding, Layer, Status, StopCheck
from checks.core.loop import clock
from checks.core.loop.waits import Waits
from checks.core.text import marked

if TYPE_CHECKING:
    from checks.core.roots import Trust

SLOW = 1.0  # seconds: a server whose reply took longer is slow, and not silent


@dataclass(frozen=True)
class Settings:
    """The settings of a run for every check: trusted certificates, time limit in seconds, whether it may write."""

    trust: Trust
    timeout: float = 10.0
    read_only: bool = False


class Recorded(Protocol):
    """What a recorder uses of its check."""

    prefix: ClassVar[str]

    @property
    def layers(self) -> tuple[Layer, ...]: ...

    def diagnose(self, error: Exception) -> Diagnosis | None: ...


class Recorder:
    """Collects the findings of one run of a check. ``facts`` are small values for compare()."""

    def __init__(self, check: Recorded, settings: Settings) -> None:
        self.check = check
        self.settings = settings
        self.findings: list[Finding] = []
        self.facts: dict[str, object] = {}
        self.others: tuple[str, ...] = ()  # addresses of the host that accept, beside the one that the check uses
        self._layer, self._goal = Layer.CONFIG, ""
        self._is_open = False
        self._proves: tuple[str, ...] = ()
        self.waits = Waits()
        self._begun = self._layer_begun = time.monotonic()
        self._now = clock.current()
        self._started = self._layer_started = self._now()
        self._ends = self._started + settings.timeout
        self._slowest: float | None = None

    @contextmanager
    def layer(self, layer: Layer, goal: str, proves: tuple[str, ...] = ()) -> Iterator[None]:
        """One layer. ``goal`` is the sentence that is true on success; ``proves`` the fields that it then proves.

        Raises StopCheck when the layer fails.
        """
        self._layer, self._goal, self._is_open, self._proves = layer, goal, True, proves
        self._layer_begun, self._layer_started = time.monotonic(), self._now()
        before = len(self.findings)
        try:
            yield
        except StopCheck:
            raise
        except Exception as error:
            diagnosis = self._diagnose(error)
            if diagnosis is None:
                raise
            self.note(diagnosis)
            raise StopCheck from error
        finally:
            self._is_open = False
        self._conclude(self._goal, self.findings[before:])

    def _diagnose(self, error: Exception) -> Diagnosis | None:
        """First what the machine lacks, because drivers report that as many other errors."""
        if diagnosis := machine.diagnose(error):
            return diagnosis
        return self._silent_or_slow(error.diagnosis if isinstance(error, Diagnosed) else self.check.diagnose(error))

    def _silent_or_slow(self, diagnosis: Diagnosis | None) -> Diagnosis | None:
        """The same diagnosis, unless it is about a server that is silent, and that has replied before."""
        if self._slowest is None or diagnosis is None or not (slow := diagnosis.cause.slow):
            return diagnosis
        has_own_hint = diagnosis.hint != diagnosis.cause.hint
        if self._slowest < SLOW:
            hint = diagnosis.hint if has_own_hint else diagnosis.cause.hint_later
            return replace(diagnosis, hint=hint, message=f"{diagnosis.message}; it has replied before")
        message = f"{diagnosis.message}; an earlier reply took {self._slowest:.1f} s"
        return replace(diagnosis, cause=slow, hint=diagnosis.hint if has_own_hint else slow.hint, message=message)

    def replied(self, since: float) -> float:
        """Note a reply to what was sent at ``since`` (time.monotonic). Returns the seconds that it took."""
        seconds = self.waits.seconds(since)
        self._slowest = max(seconds, self._slowest or 0.0)
        return seconds

    def _conclude(self, goal: str, findings: list[Finding]) -> None:
        """End a layer: it proves the fields that no warning blames, and none if a part of it was skipped."""
        statuses = {finding.status for finding in findings}
        if Status.FAIL in statuses:
            raise StopCheck
        blamed = {name for finding in findings if finding.status is Status.WARN for name in finding.fields}
        proven = tuple(name for name in self._proves if name not in blamed)
        if Status.SKIP not in statuses and (proven or not blamed):
            self._add(f"{self.check.prefix}.{self._layer}", self._layer, Status.OK, goal, "", proven)

    def note(self, diagnosis: Diagnosis) -> None:
        """Record a diagnosis on the open layer, or on the layer of its cause if that is higher."""
        order = list(Layer)
        layer = max(self._layer, diagnosis.cause.layer, key=order.index)
        fields = self._proves if diagnosis.blames is None else diagnosis.blames
        hint, remedies = (diagnosis.hint, diagnosis.remedies) if diagnosis.status >= Status.WARN else ("", ())
        self._add(diagnosis.cause.id, layer, diagnosis.status, diagnosis.message, hint, fields)
        self.findings[-1] = replace(self.findings[-1], remedies=remedies)

    def add_to_goal(self, text: str) -> None:
        """Add to the goal of the open layer: how far it is proven."""
        self._goal += f"; {text}"

    def skip(self, layer: Layer, reason: str, fields: tuple[str, ...] = ()) -> None:
        """Record that a layer, or a part of it, was not tried, and why."""
        self._add(f"{self.check.prefix}.{layer}", layer, Status.SKIP, reason, "", fields)

    def out_of_time(self) -> None:
        """Blame the open layer: the time limit ended the check."""
        error = CheckTimeout(self._layer, self.settings.timeout)
        diagnosis = self._silent_or_slow(self.check.diagnose(error))
        if diagnosis is not None:
            self.note(diagnosis)

    def finish(self) -> tuple[Finding, ...]:
        """All findings, and one for each layer that was not reached, lowest layer first."""
        reached = {finding.layer for finding in self.findings}
        order = list(Layer)
        highest = max(map(order.index, reached), default=0)
        for layer in self.check.layers:
            if layer not in reached:
                self.skip(layer, "not proven" if order.index(layer) < highest else "not reached")
        return tuple(sorted(self.findings, key=lambda finding: order.index(finding.layer)))

    @property
    def slowest(self) -> float:
        """Seconds of the slowest reply so far; 0.0 before the first one."""
        return self._slowest or 0.0

    def share_of_time(self, share: float) -> float:
        """Seconds: this share of the remaining time of the check, as a limit for a driver; at least 0.05."""
        return max(0.05, share * (self._ends - self._now()))

    @property
    def seconds(self) -> float:
        """Seconds that the servers took for the whole check."""
        worst = max((finding.status for finding in self.findings), default=Status.OK)
        return self._seconds(worst, self._begun, self._started)

    def _seconds(self, status: Status, begun: float, started: float) -> float:
        """The time of the waits, which is exact; for a failure all time, because a wait without a reply has no end."""
        return round(self._now() - started if status is Status.FAIL else self.waits.seconds(begun), 6)

    def has_time_for(self, replies: int) -> bool:
        """Whether so many more replies fit into the time of the check, each as slow as the slowest so far."""
        return replies * self.slowest < self._ends - self._now()

    @property
    def has_ended(self) -> bool:
        """Whether a layer failed and no other is open: only the clean-up remains."""
        return not self._is_open and any(finding.status is Status.FAIL for finding in self.findings)

    @property
    def open_layer(self) -> Layer:
        """The layer that was opened last."""
        return self._layer

    def _add(  # noqa: PLR0913, PLR0917 - a finding's fields
        self, id_: str, layer: Layer, status: Status, message: str, hint: str, fields: tuple[str, ...]
    ) -> None:
        seconds = 0.0 if status is Status.SKIP else self._seconds(status, self._layer_begun, self._layer_started)
        self.findings.append(Finding(id_, layer, status, marked(message), hint, fields, seconds))
