"""`--wait`: a check is tried again while all that it reports may disappear by waiting, and no longer."""

import asyncio
import itertools
import os
import signal
import threading
import time
from dataclasses import dataclass, field

import pytest

from checks.core.check import Cause, Check, Diagnosis, Layer, Settings, Status
from checks.core.recorder import Recorder
from checks.core.roots import Trust
from preflight.reference.catalogue import entries
from preflight.run.runner import Run, run
from preflight.run.signals import Signals
from preflight.run.waiting import HEALS, Wait

COMES = Cause("network.refused", Layer.CONNECT, "nothing listens", "start {url}")
STAYS = Cause("toy.password-rejected", Layer.CONNECT, "the password is wrong", "correct {url}")


class Met(Exception):
    """What the toy meets."""


@dataclass(frozen=True, kw_only=True)
class Toy(Check):
    """Fails with each of these causes in turn; then it passes."""

    kind = "toy"
    failures: tuple[Cause, ...] = ()
    attempts: "itertools.count[int]" = field(default_factory=itertools.count, compare=False)

    @property
    def target(self) -> str:
        return self.name

    @property
    def layers(self) -> tuple[Layer, ...]:
        return (Layer.CONNECT,)

    async def run(self, record: Recorder) -> None:
        number = next(self.attempts)
        with record.layer(Layer.CONNECT, "accepts connections", proves=("url",)):
            if number < len(self.failures):
                raise Met(number)
            await asyncio.sleep(0)

    def diagnose(self, error: Exception) -> Diagnosis | None:
        return self.failures[error.args[0]].diagnosis("met") if isinstance(error, Met) else None


def toy(name: str, *failures: Cause) -> Toy:
    return Toy(name=name, sources={"url": (f"{name}.url",)}, failures=failures)


def waited(*checks: Toy, seconds: float = 30.0, **options: object) -> Run:
    wait = Wait(seconds, **options)  # type: ignore[arg-type]
    return run(checks, Settings(Trust()), deadline=10.0, origins={}, wait=wait)


def test_check_that_comes_up_is_ok_and_says_when() -> None:
    (result,) = waited(toy("db", COMES, COMES)).results
    assert result.status is Status.OK
    (came_up,) = (each for each in result.findings if each.id == "run.came-up")
    assert came_up.message.endswith(", at attempt 3")


def test_without_waiting_there_is_one_attempt() -> None:
    check = toy("db", COMES)
    (result,) = waited(check, seconds=0.0).results
    assert (result.status, next(check.attempts)) == (Status.FAIL, 1)


def test_what_lasts_ends_the_wait_of_all() -> None:
    started = time.monotonic()
    coming, staying = waited(toy("db", *[COMES] * 100), toy("kv", STAYS), seconds=60.0).results
    assert (coming.status, staying.status) == (Status.FAIL, Status.FAIL)
    assert time.monotonic() - started < 20


def test_ignored_failure_ends_no_wait() -> None:
    coming, staying = waited(toy("db", COMES), toy("kv", STAYS), ignored=frozenset({STAYS.id})).results
    assert (coming.status, staying.status) == (Status.OK, Status.FAIL)


def test_wait_ends_with_the_last_failure() -> None:
    (result,) = waited(toy("db", *[COMES] * 100), seconds=1.5).results
    assert {each.id for each in result.findings if each.status is Status.FAIL} == {COMES.id}


def test_signal_ends_the_wait() -> None:
    signals = Signals()
    threading.Timer(1.0, lambda: os.kill(os.getpid(), signal.SIGTERM)).start()
    with signals.caught():
        done = run(
            (toy("db", *[COMES] * 100),), Settings(Trust()), deadline=10.0, origins={}, wait=Wait(60.0), signals=signals
        )
    assert done.signal == signal.SIGTERM
    assert {each.id for each in done.results[0].findings if each.status is Status.FAIL} == {COMES.id}


@pytest.mark.parametrize("id_", sorted(HEALS))
def test_id_that_heals_is_a_finding(id_: str) -> None:
    assert id_ in entries()
