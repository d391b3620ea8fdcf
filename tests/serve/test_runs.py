"""The runs that serve and watch make: one at a time, each with an end."""

import os
import subprocess
import sys
import threading
import time
from dataclasses import fields, replace
from pathlib import Path

import pytest

from preflight.cli.commands import arguments
from preflight.cli.options import _OWN_FLAGS, Options
from preflight.cli.parser import parse
from preflight.serve.changes import History
from preflight.serve.outcome import Outcome, ProcessOutput, RunScope, outcome
from preflight.serve.runs import ProcessRunner
from preflight.serve.schedule import Schedule, due
from preflight.serve.state import ServedState
from tests.harness import profiles
from tests.harness.command import ROOT
from tests.harness.waiting import until

DEPLOYMENT = RunScope("mistle.toml", "live", None)
FOREVER = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('{', flush=True); time.sleep(1000)"


def runner(code: str, *given: str, seconds: float = 60.0) -> ProcessRunner:
    return ProcessRunner(given, {}, seconds, command=(sys.executable, "-c", code))


def found(made: ProcessRunner) -> tuple[int, str, str]:
    """The exit code of what the run gave, and its one finding."""
    result = outcome(made.run(), ("json",), DEPLOYMENT)
    (finding,) = result.report.results[0].findings
    return result.code, finding.id, finding.message


def test_run_that_ignores_its_end_is_killed() -> None:
    code, id_, message = found(runner(FOREVER, seconds=0.5))
    assert (code, id_) == (3, "internal.bug")
    assert "did not end; it was killed after" in message


@pytest.mark.parametrize(
    ("code", "id_", "message"),
    [
        ("import os; os.kill(os.getpid(), 9)", "run.no-memory", "was killed, as the system does"),
        ("import os; os.abort()", "internal.bug", "died: Aborted"),
        ("raise SystemExit(7)", "internal.bug", "died: exit code 7"),
        ("print('{}')", "internal.bug", "died: exit code 0"),
    ],
    ids=["killed", "aborted", "no output", "no report"],
)
def test_run_without_a_report_has_one_that_says_so(code: str, id_: str, message: str) -> None:
    exit_code, found_id, text = found(runner(code))
    assert exit_code != 0
    assert found_id == id_
    assert message in text


def test_program_that_cannot_be_started_is_an_outcome() -> None:
    schedule = Schedule(ProcessRunner((), {}, 1.0, command=("/no/such/program",)), DEPLOYMENT, 30.0)
    first = next(schedule.outcomes())
    assert not first.ready


def test_pipe_that_another_process_holds_is_not_waited_for() -> None:
    """What a run leaves may live longer than it."""
    code = "import os, time\nif os.fork(): os._exit(5)\ntime.sleep(3)"
    assert found(runner(code)) == (3, "internal.bug", "the process that made the checks died: exit code 5")


def test_runs_never_overlap(tmp_path: Path) -> None:
    """Many orders during a run are one run, after its end."""
    log, gate = tmp_path / "log", tmp_path / "gate"
    os.mkfifo(gate)
    code = "import sys; log = open(sys.argv[1], 'a', 1); print('begin', file=log); open(sys.argv[2]).read(); "
    code += "print('end', file=log)"
    schedule = Schedule(runner(code, str(log), str(gate)), DEPLOYMENT, 3600.0)
    seen: list[Outcome] = []
    thread = threading.Thread(target=lambda: seen.extend(schedule.outcomes()))
    thread.start()
    with gate.open("w"):  # it opens when the run does
        for _ in range(5):
            schedule.run_now()
    until(lambda: log.read_text().count("begin") == 2)
    with gate.open("w"):
        pass
    until(lambda: schedule.due > time.monotonic() + 3000 and log.read_text().count("end") == 2)
    schedule.end()
    thread.join(60)
    assert not thread.is_alive()
    assert log.read_text().split() == ["begin", "end"] * 2


def test_ready_means_a_run_that_is_ready_and_young() -> None:
    state = ServedState(Schedule(runner(""), DEPLOYMENT, 30.0))
    assert not state.ready
    last = outcome(ProcessOutput({}, 1, 0.0), ("json",), DEPLOYMENT)
    for code, age, ready in ((0, 0.0, True), (0, 80.0, True), (0, 91.0, False), (1, 0.0, False)):
        state.add(replace(last, code=code, ended=time.monotonic() - age))
        assert state.ready is ready


@profiles.long
def test_process_1_keeps_nothing_of_what_a_run_left() -> None:
    """A process of a run may outlive it, and then becomes a child of process 1."""
    left = "import os\nif not (child := os.fork()): os._exit(0)\nos.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)"
    code = f"""
import ctypes, sys
from preflight.serve.runs import ProcessRunner
from tests.harness.serving import children
assert not ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER: as process 1
ProcessRunner((), {{}}, 60.0, command=(sys.executable, "-c", {left!r})).run()
print(children(os.getpid()))
"""
    done = subprocess.run(
        [sys.executable, "-c", f"import os{code}"], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout == "[]\n"


def test_when_the_next_run_is_due() -> None:
    assert due(100.0, 101.0, 300.0, 0.0) == 400.0
    assert due(100.0, 101.0, 300.0, -0.1) == 370.0
    assert due(100.0, 500.0, 300.0, 0.1) == 501.0


def test_every_option_is_passed_on_or_is_of_the_command_itself() -> None:
    own = {"command", "arguments", "program", "list", "unreported", *_OWN_FLAGS}
    assert {field.name for field in fields(Options)} == arguments.PASSED_ON | own
    assert not arguments.PASSED_ON & own


def test_options_come_back_from_the_flags() -> None:
    line = (
        "--config=-odd.toml --stage=before-deploy --service=dashboard --only=-x --only=y --skip=z --timeout=3 --wait=2 "
    )
    line += (
        "--ignore=network.far@kv --ignore-file=i --env-file=a --env-file=b --fail-level=warn --deadline=9 --ca-file=c "
    )
    line += "--read-only --no-color -v --format=json=out.json"
    options = parse(line.split())
    assert parse([*arguments.of_a_run(options)]) == options


def test_history_is_bounded() -> None:
    outcomes = [outcome(ProcessOutput({}, code, 0.0), ("json",), DEPLOYMENT) for code in (7, -9)]
    history = History()
    for made in outcomes * 50:
        assert history.add(made).lines
    assert len(history.runs) == 50
    assert not history.add(outcomes[-1]).lines
