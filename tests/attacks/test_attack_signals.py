"""Signals at any moment.

SIGINT and SIGTERM are sent at moments spread from the creation of the process to after the end of a run that writes
into a real Valkey, bucket and Docker Engine. Half of the runs get a second signal soon after. Each run must end with a
valid report, with 130 or 143 if the signal cut anything short, with nothing on standard error, and with nothing left on
any server. A signal ends the process without a report only before the tool's own first line, while Python itself
starts.
"""

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.harness import configs, faults, profiles
from tests.harness.command import CLEAN, HOLD, ROOT, Command, Ended, checks, ids, keys, run, unread_pipe
from tests.harness.figures import Section
from tests.harness.store_faults import ask, between, bucket
from tests.harness.waiting import settled, until
from tests.testbed import Authority, Engine, ObjectStore, Postgres, Smtp, Valkey
from tests.testbed.object_store import BUCKET
from tests.testbed.smtp import ADDRESS, PASSWORD, USER

RUNS = {True: 200, False: 4}
"""By whether the attack runs at full length."""
NUMBERS = (signal.SIGINT, signal.SIGTERM)
POSTGRES = [f"postgres.{plane}_plane.{route}_url" for plane in ("control", "data") for route in ("direct", "pooled")]
PHASES = ("while Python started", "before the checks", "during the run", "after the report was made")


@dataclass(frozen=True)
class Shot:
    """A run that got a signal."""

    number: signal.Signals
    sent: float
    twice: bool
    run: Ended

    @property
    def phase(self) -> str:
        """When the signal arrived, as the outcome of the run shows."""
        if self.run.began is None or self.sent < self.run.began:
            return PHASES[0]
        if self.run.code != 128 + self.number:
            return "after the report was made"
        return "before the checks" if len(checks(self.run.document)) == 1 else "during the run"


@dataclass(frozen=True)
class Servers:
    """All servers on which a run might leave something."""

    postgres: Postgres
    valkey: Valkey
    store: ObjectStore
    smtp: Smtp
    engine: Engine

    def contents(self) -> list[object]:
        """Sessions and their transactions, keys, objects, mail, and the contents of the engine."""
        with self.valkey.client() as client:
            keys_now = client.keys()
        sessions = self.postgres.sql("SELECT state FROM pg_stat_activity WHERE usename = %s", self.postgres.name)
        return [sessions, keys_now, self.store.objects(), self.smtp.queue(), self.engine.contents()]


@pytest.fixture(scope="module")
def servers(postgres: Postgres, valkey: Valkey, store: ObjectStore, smtp: Smtp, engine: Engine) -> Servers:
    return Servers(postgres, valkey, store, smtp, engine)


@pytest.fixture(scope="module")
def command(servers: Servers, authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """The arguments of a run against all servers, with its writes."""
    values: dict[str, object] = dict.fromkeys(POSTGRES, servers.postgres.url()) | bucket(servers.store.url)
    values |= {"kv.data_plane.url": servers.valkey.url(), "sandbox.docker.socket_path": str(servers.engine.socket)}
    values |= {"sandbox.default_base_image": "127.0.0.1:1/mistle/sandbox-base:1"}
    login = {"username": USER, "password": PASSWORD, "from_address": ADDRESS}
    address = {"host": "127.0.0.1", "port": servers.smtp.ports["submission"], "secure": False}
    values |= {f"email.smtp.{name}": value for name, value in (login | address).items()}
    file = configs.write(tmp_path_factory.mktemp("signals"), values)
    only = [f"--only={kind}" for kind in ("postgres", "valkey", "object_store", "smtp", "docker")]
    with authority.trusted() as roots:
        yield ["--config", str(file), "-f", "json", "--deadline=30", "--ca-file", roots, *only]


@dataclass(frozen=True)
class Series:
    """Many runs, each with its signal, and one run without a signal."""

    shots: tuple[Shot, ...]
    undisturbed: Ended
    is_all_clean: bool

    @property
    def reported(self) -> tuple[Shot, ...]:
        """The runs whose signal arrived after the command's first line."""
        return tuple(shot for shot in self.shots if shot.phase != PHASES[0])


@pytest.fixture(scope="module")
def series(command: list[str], servers: Servers, is_long: bool) -> Series:
    """Two runs at a time. Each signal comes a little later than the one before, up to after the end of a run."""
    dice, before, runs = random.Random(0), servers.contents(), RUNS[is_long]
    with ThreadPoolExecutor(2) as two:
        undisturbed = max(two.map(lambda _: run(*command), range(2)), key=lambda ended: ended.seconds)
        whole = 1.1 * undisturbed.seconds

        def shoot(number: int) -> Shot:
            chosen, twice = NUMBERS[number % 2], number % 4 > 1
            running = Command(*command)
            time.sleep(whole * (number + dice.random()) / runs)
            sent = time.monotonic()
            running.signal(chosen)
            if twice:
                time.sleep(0.1 * dice.random())
                running.signal(chosen)
            return Shot(chosen, sent, twice, running.end())

        shots = tuple(two.map(shoot, range(runs)))
    # Valkey takes five seconds to remove keys that expire.
    return Series(shots, undisturbed, settled(servers.contents, before) == before)


def test_signal_at_any_time_report_is_valid(series: Series) -> None:
    whole = series.undisturbed.document
    for shot in series.reported:
        document = shot.run.document
        assert (checks(document), keys(document)) in [(["config"], []), (checks(whole), keys(whole))], shot


def test_signal_at_any_time_exit_code(series: Series) -> None:
    for shot in series.reported:
        document = shot.run.document
        if shot.run.code == 128 + shot.number:
            assert document["ready"] is False, shot
            assert "run.interrupted" in ids(document), shot
        else:
            assert shot.run.code == series.undisturbed.code, shot
            assert statuses(document) == statuses(series.undisturbed.document), shot


def test_signal_at_any_time_claims_nothing_unproven(series: Series) -> None:
    proven = statuses(series.undisturbed.document)
    assert set(proven.values()) == {"ok", "fail", "skip"}
    for shot in series.reported:
        for key, status in statuses(shot.run.document).items():
            assert status in {proven[key], "skip"}, (key, shot)


def test_signal_at_any_time_prints_only_the_report(series: Series) -> None:
    assert [shot for shot in series.reported if shot.run.stderr] == []


def test_signal_before_the_first_line_ends_the_process(series: Series) -> None:
    """Unless Python loses the signal. What Python prints about an interrupted start names none of the tool's files."""
    for shot in series.shots:
        if shot not in series.reported:
            assert str(ROOT / "preflight").encode() not in shot.run.stderr, shot
            if shot.run.stdout:
                assert shot.run.document["ready"] is (shot.run.code == 0), shot
            else:
                assert shot.run.code in {-shot.number, 1}, shot


def test_signal_at_any_time_leaves_nothing_on_servers(series: Series) -> None:
    assert series.is_all_clean


@profiles.long
def test_signals_hit_every_phase_of_a_run(series: Series, figures: Section) -> None:
    reports = [shot.run.document for shot in series.reported]
    figures.add("runs that got a signal", len(series.shots))
    figures.add("of these, with a second signal within 0.1 s", sum(shot.twice for shot in series.shots))
    figures.add("valid reports", len(reports))
    figures.add("reports of a run that was cut short", sum("run.interrupted" in ids(report) for report in reports))
    opened = min(shot.run.began - shot.run.created for shot in series.shots if shot.run.began)
    figures.add("from the creation of the process to the first line that holds signals back", f"{opened * 1000:.0f} ms")
    figures.add("keys, objects, volumes, messages, sessions left behind", 0 if series.is_all_clean else "some")
    for phase in PHASES:
        for number in NUMBERS:
            count = sum((shot.phase, shot.number) == (phase, number) for shot in series.shots)
            figures.cell(phase, f"{number.name}s that came", str(count))
    assert {shot.phase for shot in series.shots} >= {*PHASES[1:]}


def statuses(document: dict[str, Any]) -> dict[str, str]:
    return {verdict["key"]: verdict["status"] for verdict in document["keys"]}


# Moments that a test chooses


def signalled(module: str, path: str, *numbers: int) -> str:
    """Code for a command that gets these signals after each call of that function."""
    sent = [int(number) for number in numbers]
    return f"from tests.harness.self_signal import signal_after; signal_after({module!r}, {path!r}, *{sent})\n"


def pointed_at(port: int, folder: Path) -> list[str]:
    """The arguments of a run whose five checks all connect to this port."""
    url = f"postgres://u:p@127.0.0.1:{port}/d"
    file = configs.write(folder, dict.fromkeys(POSTGRES, url) | {"kv.data_plane.url": f"redis://127.0.0.1:{port}"})
    return ["--config", str(file), "-f", "json", "--only=postgres", "--only=valkey"]


@pytest.fixture
def refused(tmp_path: Path) -> Iterator[list[str]]:
    """The arguments of a run that soon ends and is not ready."""
    with faults.refused_port() as port:
        yield pointed_at(port, tmp_path)


@pytest.fixture
def waiting() -> threading.Event:
    """Set when a hanging run waits for a reply."""
    return threading.Event()


@pytest.fixture
def hanging(tmp_path: Path, waiting: threading.Event) -> Iterator[list[str]]:
    """The arguments of a run that only its limits would end."""

    def read(connection: socket.socket) -> None:
        while connection.recv(65536):
            waiting.set()

    with faults.serving(read) as port:
        yield pointed_at(port, tmp_path)


NOTHING_READ = {
    "before anything is imported": ("_signal", "pthread_sigmask"),
    "while the configuration is read": ("preflight.cli.commands", "load"),
}
NOTHING_CHECKED = {
    "while checks are planned": ("preflight.plan.plan", "plan"),
    "while drivers are imported": ("preflight.run.check_thread", "_import_drivers"),
}
REPORT_MADE = {
    "while keys are judged": ("preflight.cli.so_far", "verdicts"),
    "while the report is rendered": ("preflight.formats.json", "_check"),
    "while it is written": ("preflight.output.writer", "_encoded"),
}
both = pytest.mark.parametrize("number", NUMBERS)


@profiles.covering
@both
@pytest.mark.parametrize("moment", NOTHING_READ)
def test_signal_before_the_configuration_is_read(number: signal.Signals, moment: str, refused: list[str]) -> None:
    ended = run(*refused, code=signalled(*NOTHING_READ[moment], number))
    assert (ended.code, ended.stderr) == (128 + number, b"")
    assert (checks(ended.document), keys(ended.document)) == (["config"], [])
    assert ids(ended.document) == {"run.interrupted"}


def test_sigint_during_interpreter_startup(refused: list[str]) -> None:
    """Between two lines of its import code, Python only prints it, and keeps a lock that stops every other thread."""
    ended = run(*refused, code="import _imp; _imp.acquire_lock(); _imp.acquire_lock()")
    assert (ended.code, ended.stderr) == (130, b"")
    assert ids(ended.document) == {"run.interrupted"}


@both
def test_signal_while_a_file_is_read_that_never_arrives(number: signal.Signals, refused: list[str]) -> None:
    running = Command(*refused, code=f"{HOLD}import preflight.cli.commands as m; m.load = take_long")
    running.wait_for(b"begun")
    running.signal(number)
    ended = running.end(30)
    assert (ended.code, ended.stderr) == (128 + number, b"")
    assert (checks(ended.document), ids(ended.document)) == (["config"], {"run.interrupted"})


@profiles.covering
@both
@pytest.mark.parametrize("moment", NOTHING_CHECKED)
def test_signal_before_the_first_check(number: signal.Signals, moment: str, refused: list[str]) -> None:
    ended = run(*refused, code=signalled(*NOTHING_CHECKED[moment], number))
    assert (ended.code, ended.stderr) == (128 + number, b"")
    config, *others = ended.document["checks"]
    assert (config["status"], len(others)) == ("ok", 5)
    assert {check["status"] for check in others} == {"skip"}
    assert {check["findings"][0]["id"] for check in others} == {"run.interrupted"}
    assert {statuses(ended.document)[key] for check in others for key in check["keys"]} == {"skip"}


@both
def test_signal_after_the_last_check_is_not_ready(number: signal.Signals, refused: list[str]) -> None:
    code = signalled("preflight.run.consistency", "compare", number)
    ended = run(*refused, "--ignore=network.refused", code=code)
    assert (ended.code, ended.stderr, ended.document["ready"]) == (128 + number, b"", False)
    assert [finding["id"] for finding in ended.document["checks"][0]["findings"]] == [
        "config.config",
        "run.interrupted",
    ]
    assert "network.refused" in ids(ended.document)


@profiles.covering
@both
@pytest.mark.parametrize("moment", REPORT_MADE)
def test_signal_after_the_report_changes_nothing(number: signal.Signals, moment: str, refused: list[str]) -> None:
    ended = run(*refused, "--ignore=network.refused", code=signalled(*REPORT_MADE[moment], number, number))
    assert (ended.code, ended.stderr, ended.document["ready"]) == (0, b"", True)
    assert "run.interrupted" not in ids(ended.document)


@both
def test_second_signal_changes_nothing(number: signal.Signals, hanging: list[str], waiting: threading.Event) -> None:
    """The signals arrive while the checks are cut short, and again while the report is written."""
    code = signalled("preflight.run.execution", "Execution.abort", number) + signalled(
        "preflight.output.writer", "_encoded", number, number
    )
    running = Command(*hanging, code=code)
    assert waiting.wait(20)
    running.signal(number)
    sent = time.monotonic()
    ended = running.end()
    assert ended.ended - sent < 5
    assert (ended.code, ended.stderr) == (128 + number, b"")
    assert {check["findings"][-1]["status"] for check in ended.document["checks"][1:]} == {"skip"}
    assert "run.interrupted" in ids(ended.document)


@both
def test_signal_during_an_import_that_never_ends(number: signal.Signals, refused: list[str], tmp_path: Path) -> None:
    """The driver is still being imported when the process ends."""
    (tmp_path / "redis.py").write_text(f"{HOLD}take_long()")
    running = Command(*refused, code=f"import sys; sys.path.insert(0, {str(tmp_path)!r})")
    running.wait_for(b"begun")
    running.signal(number)
    ended = running.end(30)
    assert (ended.code, ended.stderr) == (128 + number, b"")
    assert len(checks(ended.document)) == 6


@pytest.mark.parametrize("number", profiles.first(1, NUMBERS))
def test_signal_while_the_report_is_not_read(number: signal.Signals, refused: list[str], tmp_path: Path) -> None:
    """The reports in files are written before."""
    file = tmp_path / "report"
    with unread_pipe() as (_, writer):
        running = Command(*refused, "-f", f"text={file}", stdout=writer)
        os.close(writer)
        until(file.exists)
        time.sleep(0.3)
        assert running.process.poll() is None
        running.signal(number)
        ended = running.end(30)
    assert (ended.code, ended.stderr) == (128 + number, b"")
    assert "NOT READY" in file.read_text()


@pytest.mark.parametrize("number", profiles.first(1, NUMBERS))
def test_interrupted_run_with_slow_reader_writes_the_whole_report(
    number: signal.Signals, hanging: list[str], waiting: threading.Event
) -> None:
    with unread_pipe() as (reader, writer):
        running = Command(*hanging, stdout=writer)
        os.close(writer)
        assert waiting.wait(20)
        running.signal(number)
        time.sleep(2)
        with os.fdopen(os.dup(reader), "rb") as stream:
            text = stream.read()
        ended = replace(running.end(30), stdout=text)
    assert (ended.code, len(checks(ended.document))) == (128 + number, 6)


@both
def test_object_uploaded_after_the_signal_is_removed(
    number: signal.Signals, store: ObjectStore, tmp_path: Path, is_long: bool
) -> None:
    """If other work took the time in which the process would remove it, the report names it."""
    arrived = threading.Event()

    def late(request: bytes) -> bytes | None:
        if not request.startswith(b"PUT"):
            return None
        arrived.set()
        time.sleep(0.05)
        return ask(store.port, request)

    with between(store.port, late) as port:
        file = configs.write(tmp_path, bucket(f"http://127.0.0.1:{port}"))
        running = Command("--config", str(file), "-f", "json", "--only=object_store")
        assert arrived.wait(20)
        running.signal(number)
        ended = running.end()
    left = store.objects()
    assert ended.code == 128 + number
    assert not left or "object-store.leftover" in ids(ended.document)
    assert not (left and is_long)
    for name in left:
        store.client().delete_object(Bucket=BUCKET, Key=name)


def test_console_script_imports_nothing_before_signals_are_blocked(tmp_path: Path) -> None:
    """Until signals are blocked, it imports nothing that Python has not loaded itself."""
    code = "import sys; before = set(sys.modules); import preflight.cli.main; print(*{*sys.modules} - before)"
    done = subprocess.run([sys.executable, "-c", code], env=CLEAN, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {"__future__", "preflight", "preflight.cli", "preflight.cli.main"}
