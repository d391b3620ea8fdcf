"""`--wait`: a check is tried again while all that it reports may disappear by waiting, and no longer."""

import asyncio
import itertools
import os
import re
import signal
import socket
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from checks.core.check import Check
from checks.core.finding import Cause, Diagnosis, Layer, Status
from checks.core.recorder import Recorder, Settings
from checks.core.roots import Trust
from preflight.reference.catalogue import entries
from preflight.run.runner import Run, run
from preflight.run.signals import Signals
from preflight.run.waiting import Wait
from tests.harness import configs, faults
from tests.harness.command import Command, ids
from tests.harness.command import run as run_command
from tests.harness.relays import relay
from tests.testbed import Valkey

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


HEALING = sorted(id_ for id_, entry in entries().items() if entry.cause.heals)


@pytest.mark.parametrize("id_", HEALING)
def test_finding_that_may_disappear_is_waited_for(id_: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("preflight.run.waiting.pause", lambda _attempt: 0.01)
    entry = entries()[id_]
    cause = replace(entry.cause, layer=Layer.CONNECT, status=Status.FAIL)
    kind = type("Kind", (Toy,), {"causes": (cause,)})
    check = kind(name="db", sources={"url": ("db.url",)}, failures=(cause,))
    (result,) = waited(check).results
    assert result.status is Status.OK


def test_what_may_disappear_is_what_the_documentation_says() -> None:
    page = (Path(__file__).parents[2] / "docs/findings.md").read_text()
    waited_for = re.findall(r"### `([^`]+)`(?:(?!###).)*?- `--wait` tries the check again", page, re.DOTALL)
    assert sorted(waited_for) == HEALING


# On real servers


def at_port(port: int, valkey: Valkey, folder: Path, password: str = "") -> list[str]:
    url = valkey.url().replace(f":{valkey.port}", f":{port}")
    file = configs.write(folder, {"kv.data_plane.url": url.replace("://", f"://:{password}@") if password else url})
    return ["--config", str(file), "--only", "kv.data_plane", "-f", "json"]


def test_server_that_comes_up_during_the_wait(valkey: Valkey, tmp_path: Path) -> None:
    """At first it closes each connection on which the client sends something."""
    asked, is_up = threading.Event(), threading.Event()

    def serve(client: socket.socket) -> None:
        if is_up.is_set():
            relay(client, valkey.port)
        elif client.recv(1):
            asked.set()

    with faults.serving(serve) as port:
        running = Command(*at_port(port, valkey, tmp_path), "--wait", "60")
        assert asked.wait(60)
        is_up.set()
        ended = running.end()
    assert (ended.code, ended.stderr) == (0, b"")
    (check,) = (each for each in ended.document["checks"] if each["name"] == "kv.data_plane")
    assert "run.came-up" in {each["id"] for each in check["findings"]}


def test_wrong_password_is_not_waited_for(valkey: Valkey, tmp_path: Path) -> None:
    ended = run_command(*at_port(valkey.port, valkey, tmp_path, "wrong"), "--wait", "600")
    assert ended.code == 1
    assert ended.seconds / ended.slowness < 30


def test_wrong_configuration_is_not_waited_for(tmp_path: Path) -> None:
    with faults.refused_port() as port:
        values = {"kv.data_plane.url": f"redis://{faults.LOOPBACK}:{port}", "email.smtp.port": 0}
        file = configs.write(tmp_path, values)
        ended = run_command("--config", str(file), "--only", "kv.data_plane", "-f", "json", "--wait", "600")
    assert ended.code == 1
    assert {"config.out-of-range", "network.refused"} <= ids(ended.document)
