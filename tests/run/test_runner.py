"""All checks at once, each within its limit, all within the deadline; no check hides another."""

import asyncio
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pytest

from checks.core.check import Check
from checks.core.finding import Cause, CheckTimeout, Diagnosis, Layer, Status
from checks.core.loop.threads import in_thread
from checks.core.recorder import Recorder, Settings
from checks.core.roots import Trust
from preflight.config.origin import InFile
from preflight.report.result import Result
from preflight.report.run_causes import DEADLINE
from preflight.run.execution import Execution
from preflight.run.runner import Run, run
from preflight.run.signals import Signals
from tests.harness.waiting import until

SILENT = Cause("toy.silent", Layer.AUTH, "it says nothing", "wake {url}")
LEFT = Cause("toy.left-behind", Layer.ACCESS, "something stays", status=Status.WARN)


@dataclass(frozen=True, kw_only=True)
class Toy(Check):
    kind = "toy"
    url: str = "db"
    key: str = "k"

    @property
    def target(self) -> str:
        return self.url

    @property
    def layers(self) -> tuple[Layer, ...]:
        return (Layer.DNS, Layer.AUTH, Layer.ACCESS)

    async def run(self, record: Recorder) -> None:
        with record.layer(Layer.DNS, "resolves", proves=("url",)):
            pass
        with record.layer(Layer.AUTH, "login accepted", proves=("key",)):
            await self.act(record)
        with record.layer(Layer.ACCESS, "may write", proves=("key",)):
            pass

    async def act(self, record: Recorder) -> None:
        pass

    def diagnose(self, error: Exception) -> Diagnosis | None:
        return SILENT.diagnosis(str(error)) if isinstance(error, CheckTimeout) else None


class Hangs(Toy):
    async def act(self, record: Recorder) -> None:
        await asyncio.sleep(60)


class HangsInThread(Toy):
    async def act(self, record: Recorder) -> None:
        await in_thread(lambda: time.sleep(60))


class IgnoresCancellation(Toy):
    async def act(self, record: Recorder) -> None:
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                continue


class TurnsCancellationIntoFailure(Toy):
    async def act(self, record: Recorder) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            record.note(SILENT.diagnosis("caused by the cancellation"))


class BlocksTheLoop(Toy):
    async def act(self, record: Recorder) -> None:
        time.sleep(3)  # noqa: ASYNC251


class CleansUp(Toy):
    async def act(self, record: Recorder) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.05)
            record.note(LEFT.diagnosis("a key could not be removed"))


class FailsThenCleansUp(Toy):
    async def run(self, record: Recorder) -> None:
        try:
            await super().run(record)
        finally:
            await asyncio.sleep(60)

    async def act(self, record: Recorder) -> None:
        record.note(SILENT.diagnosis("no reply"))


class HasFactsOutsideJson(Toy):
    async def act(self, record: Recorder) -> None:
        record.facts |= {"beyond": float("inf"), "none": float("nan"), "kept": 1.5, "nothing": None}


class Unexplained(Hangs):
    def diagnose(self, error: Exception) -> Diagnosis | None:
        return None


class Bug(Toy):
    async def act(self, record: Recorder) -> None:
        raise KeyError("hunter2")


class Exits(Toy):
    async def act(self, record: Recorder) -> None:
        sys.exit(1)


class CancelsItself(Toy):
    async def act(self, record: Recorder) -> None:
        raise asyncio.CancelledError


class BugInDiagnosis(Hangs):
    def diagnose(self, error: Exception) -> Diagnosis | None:
        raise ZeroDivisionError


class NeedsMissingDriver(Toy):
    imports: ClassVar[tuple[str, ...]] = ("mistle_no_such_driver",)


class NeedsSlowDriver(Toy):
    imports: ClassVar[tuple[str, ...]] = ("slow_driver",)


@dataclass(frozen=True, kw_only=True)
class Counts(Toy):
    runs: ClassVar[list[str]] = []
    secret: str = field(default="", repr=False)

    async def act(self, record: Recorder) -> None:
        self.runs.append(self.name)
        record.facts["version"] = 1


SOURCES = {"url": ("a.url",), "key": ("a.key",)}
ORIGINS = {"a.url": InFile("mistle.toml", 1), "a.key": InFile("mistle.toml", 2)}


def made(*kinds: type[Toy]) -> tuple[Toy, ...]:
    return tuple(kind(name=f"toy.{kind.__name__}", sources=SOURCES) for kind in kinds)


def ran(*checks: Check, timeout: float = 5.0, deadline: float = 5.0, signals: Signals | None = None) -> Run:
    return run(checks, Settings(Trust(), timeout), deadline=deadline, origins=ORIGINS, signals=signals)


def seen(result: Result) -> list[tuple[str, Layer, Status]]:
    return [(finding.id, finding.layer, finding.status) for finding in result.findings]


@pytest.fixture(autouse=True)
def clock() -> Iterator[None]:
    """No test may wait for the end of a check that hangs."""
    started = time.monotonic()
    yield
    assert time.monotonic() - started < 20


def test_results_come_in_the_order_of_the_checks():
    checks = made(CleansUp, Toy)
    assert [result.name for result in ran(*checks, timeout=0.1).results] == ["toy.CleansUp", "toy.Toy"]


def test_check_that_passes_proves_its_keys():
    (result,) = ran(*made(Toy)).results
    assert seen(result) == [
        ("toy.dns", Layer.DNS, Status.OK),
        ("toy.auth", Layer.AUTH, Status.OK),
        ("toy.access", Layer.ACCESS, Status.OK),
    ]
    assert [finding.fields for finding in result.findings] == [("a.url",), ("a.key",), ("a.key",)]


def test_checks_run_at_once_and_each_limit_counts_once():
    started = time.monotonic()
    results = ran(*(Hangs(name=f"toy.{n}", sources=SOURCES, url=f"db{n}") for n in range(50)), timeout=0.3).results
    assert time.monotonic() - started < 7  # and not fifty times the limit
    assert {result.status for result in results} == {Status.FAIL}


@pytest.mark.parametrize("kind", [Hangs, HangsInThread, IgnoresCancellation, TurnsCancellationIntoFailure])
def test_timeout_fails_the_open_layer(kind: type[Toy]):
    result, other = ran(*made(kind, Toy), timeout=0.2).results
    assert seen(result) == [
        ("toy.dns", Layer.DNS, Status.OK),
        ("toy.silent", Layer.AUTH, Status.FAIL),
        ("toy.access", Layer.ACCESS, Status.SKIP),
    ]
    failure = result.findings[1]
    assert (failure.fields, failure.hint) == (("a.key",), "wake a.url (mistle.toml:1)")
    assert 0.2 <= result.seconds < 5
    assert other.status is Status.OK


def test_timeout_without_a_diagnosis_is_a_failure():
    (result,) = ran(*made(Unexplained), timeout=0.1).results
    assert ("run.timeout", Layer.AUTH, Status.FAIL) in seen(result)


@pytest.mark.parametrize("limits", [(0.2, 5.0), (5.0, 0.2)], ids=["its limit", "the deadline"])
def test_timeout_after_a_failure_adds_no_finding(limits: tuple[float, float]):
    (result,) = ran(*made(FailsThenCleansUp), timeout=limits[0], deadline=limits[1]).results
    assert [id_ for id_, _, status in seen(result) if status is Status.FAIL] == ["toy.silent"]


def test_facts_are_what_a_document_can_hold():
    (result,) = ran(*made(HasFactsOutsideJson)).results
    assert result.facts == {"beyond": "inf", "none": "nan", "kept": 1.5, "nothing": None}


def test_warning_of_the_clean_up_is_kept():
    (result,) = ran(*made(CleansUp), timeout=0.1).results
    assert ("toy.left-behind", Layer.ACCESS, Status.WARN) in seen(result)


@pytest.mark.parametrize("kind", [Hangs, HangsInThread, IgnoresCancellation, BlocksTheLoop])
def test_deadline_fails_unfinished_checks(kind: type[Toy]):
    started = time.monotonic()
    ended, hung = ran(*made(Toy, kind), deadline=0.4).results
    assert time.monotonic() - started < 2.5
    assert ended.status is Status.OK
    failure = next(finding for finding in hung.findings if finding.status is Status.FAIL)
    assert (failure.id, failure.layer, failure.fields) == ("run.deadline", Layer.AUTH, ("a.key",))


def test_deadline_during_the_imports_fails_the_first_layer_and_blames_every_key(
    tmp_path: "os.PathLike[str]", monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "slow_driver.py").write_text("import time; time.sleep(1)")  # type: ignore[operator]
    monkeypatch.syspath_prepend(str(tmp_path))
    (result,) = ran(*made(NeedsSlowDriver), deadline=0.1).results
    assert seen(result)[0] == ("run.deadline", Layer.DNS, Status.FAIL)
    assert result.findings[0].fields == ("a.url", "a.key")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_returns_the_results_so_far(number: signal.Signals):
    with Signals().caught() as signals:
        threading.Timer(0.2, os.kill, (os.getpid(), number)).start()
        done = ran(*made(Toy, CleansUp), signals=signals)
    ended, cut = done.results
    assert done.signal == signals.received == number
    assert ended.status is Status.OK
    assert ("run.interrupted", Layer.AUTH, Status.SKIP) in seen(cut)
    assert ("toy.left-behind", Layer.ACCESS, Status.WARN) in seen(cut)


def test_check_aborted_before_its_start_does_not_start():
    execution = Execution(made(Counts), Settings(Trust()))
    execution.abort(DEADLINE.diagnosis("too late"))
    assert not execution.start()
    ((_, result),) = execution.results(ORIGINS)
    assert seen(result)[0] == ("run.deadline", Layer.DNS, Status.FAIL)


def test_check_aborted_during_imports_does_not_start_after_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """It could write something that nothing would remove."""

    class Late(Counts):
        imports: ClassVar[tuple[str, ...]] = ("later_driver",)

    (tmp_path / "later_driver.py").write_text("import time; time.sleep(0.3)")
    monkeypatch.syspath_prepend(str(tmp_path))
    Counts.runs.clear()
    ran(*made(Late), deadline=0.1)
    until(lambda: not any(thread.name.endswith("(_run)") for thread in threading.enumerate()))
    assert Counts.runs == []


def test_no_check_starts_after_a_signal():
    Counts.runs.clear()
    with Signals().caught() as signals:
        os.kill(os.getpid(), signal.SIGTERM)
        (result,) = ran(*made(Counts), signals=signals).results
    assert seen(result)[0] == ("run.interrupted", Layer.DNS, Status.SKIP)
    assert Counts.runs == []


def test_elapsed_time_counts_toward_the_deadline():
    Counts.runs.clear()
    (result,) = run(made(Counts), Settings(Trust()), deadline=60, elapsed=60, origins=ORIGINS).results
    assert seen(result)[0] == ("run.deadline", Layer.DNS, Status.FAIL)
    assert "60 s" in result.findings[0].message
    assert Counts.runs == []


@pytest.mark.parametrize("kind", [Bug, Exits, CancelsItself, BugInDiagnosis, NeedsMissingDriver])
def test_bug_in_one_check_hides_no_other(kind: type[Toy]):
    done = ran(*made(kind, Toy), timeout=0.2)
    broken, other = done.results
    bug = next(finding for finding in broken.findings if finding.id == "internal.bug")
    assert (bug.status, bug.fields) == (Status.FAIL, ())
    assert other.status is Status.OK
    assert len(done.bugs) == 1


def test_bug_is_reported_by_class_and_position_and_its_message_only_in_the_traceback():
    done = ran(*made(Bug))
    message = next(finding.message for finding in done.results[0].findings if finding.id == "internal.bug")
    assert message.startswith("KeyError at run/test_runner.py:")
    assert "hunter2" not in str(done.results)
    assert "hunter2" in done.bugs[0]


def test_equal_checks_run_once_and_are_reported_for_each():
    Counts.runs.clear()
    first = Counts(name="toy.first", sources=SOURCES)
    second = Counts(name="toy.second", sources={"url": ("b.url",), "key": ("b.key",)})
    other = Counts(name="toy.other", sources=SOURCES, secret="differs")
    results = ran(first, second, other).results
    assert sorted(Counts.runs) == ["toy.first", "toy.other"]
    assert [result.keys for result in results] == [("a.url", "a.key"), ("b.url", "b.key"), ("a.url", "a.key")]
    assert results[1].findings[0].fields == ("b.url",)
    assert {result.facts["version"] for result in results} == {1}


def test_on_event_gets_each_result_when_its_check_ends():
    received: list[tuple[str, str]] = []
    checks = made(Toy, Hangs)
    run(
        checks,
        Settings(Trust(), 0.2),
        deadline=5,
        origins={},
        on_event=lambda ended: received.extend((result.name, str(result.status)) for result in ended),
    )
    assert received == [("toy.Toy", "ok"), ("toy.Hangs", "fail")]


def test_run_without_checks_returns_at_once():
    assert ran().results == ()


class Endless(Toy):
    async def act(self, record: Recorder) -> None:
        record.facts["version"] = json.loads("1e999")  # as a server sends it


def test_fact_that_json_cannot_hold_becomes_text() -> None:
    (result,) = ran(*made(Endless)).results
    assert result.facts == {"version": "inf"}
