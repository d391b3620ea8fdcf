"""What the command changes in its process, and what it inherits from its caller."""

import pickle
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from checks.core.recorder import Settings
from checks.core.roots import Trust
from preflight.cli.options import STAGES
from preflight.config.loader import load
from preflight.plan.plan import plan
from preflight.run.child_main import Job
from preflight.run.runner import NO_PROCESSOR_TIME, NO_WAIT
from tests.harness import configs, faults, processes
from tests.harness.command import CLEAN, ENTRY, HOLD, Command, run
from tests.harness.waiting import until

ROOT = Path(__file__).parents[2]
WAITS = {
    "diff": ("preflight.cli.inputs.saved_reports", "read", ["diff", "a", "b"]),
    "merge": ("preflight.cli.inputs.saved_reports", "read", ["merge", "a"]),
    "explain": ("preflight.reference.catalogue", "entries", ["explain", "network.refused"]),
    "completion": ("preflight.cli.completion", "script", ["completion", "bash"]),
    "schema": ("preflight.reference.config_schema", "text", ["schema"]),
    "plan": ("preflight.plan.plan", "plan", ["plan", "--config", str(processes.EXAMPLE)]),
    "config": ("preflight.cli.commands", "load", ["config", "--config", str(processes.EXAMPLE)]),
}
"""For each command but ``run``, a function that may take long."""


SENDS = """
import os, preflight.cli.commands as m
load = m.load
m.load = lambda *given: (os.kill(os.getpid(), {}), load(*given))[1]
"""
"""Code for a command that sends itself a signal when it loads the configuration."""


@pytest.fixture
def refused(tmp_path: Path) -> Iterator[list[str]]:
    with faults.refused_port() as port:
        file = configs.write(tmp_path, {"kv.data_plane.url": f"redis://127.0.0.1:{port}"})
        yield ["--config", str(file), "--only=kv.data_plane", "-f", "json"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
@pytest.mark.parametrize("command", WAITS)
def test_signal_ends_every_command(command: str, number: signal.Signals) -> None:
    module, name, arguments = WAITS[command]
    running = Command(*arguments, code=f"{HOLD}import {module} as m; m.{name} = take_long")
    running.wait_for(b"begun")
    running.signal(number)
    ended = running.end(30)
    assert (ended.code, ended.stderr) == (128 + number, b"")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_signal_ignored_by_the_caller_stays_ignored(number: signal.Signals, refused: list[str]) -> None:
    """By nohup, and by shells for programs in the background."""
    program = f"import signal; signal.signal({int(number)}, signal.SIG_IGN)\n{SENDS.format(int(number))}\n{ENTRY}"
    done = subprocess.run(
        [sys.executable, "-c", program, *refused], env=CLEAN, capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (1, b"")
    assert b"network.refused" in done.stdout


def test_core_dumps_are_off_and_files_as_many_as_may_be(refused: list[str], tmp_path: Path) -> None:
    """A core dump would hold every secret. Only the soft limit changes: that needs no privilege."""
    code = """
import atexit, os, resource, preflight.cli.commands as m
load = m.load
def load_and_print(*given):
    for which in (resource.RLIMIT_CORE, resource.RLIMIT_NOFILE):
        os.write(2, b"%d/%d " % resource.getrlimit(which))
    return load(*given)
m.load = load_and_print
"""

    def limits() -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (65536, 65536))
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 512))

    ended = run(*refused, code=code, preexec_fn=limits)
    assert (ended.code, ended.stderr) == (1, b"0/65536 512/512 ")


def test_library_does_not_change_resource_limits(tmp_path: Path) -> None:
    from preflight import check

    with faults.refused_port() as port:
        file = configs.write(tmp_path, {"kv.data_plane.url": f"redis://127.0.0.1:{port}"})
        before = [resource.getrlimit(which) for which in (resource.RLIMIT_CORE, resource.RLIMIT_NOFILE)]
        check(file, only=["kv.data_plane"], environ={})
    assert before == [resource.getrlimit(which) for which in (resource.RLIMIT_CORE, resource.RLIMIT_NOFILE)]


def test_sigchld_ignored_by_the_caller(refused: list[str]) -> None:
    """Then the system keeps no exit code of the child process."""
    ended = run(*refused, code="import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)")
    assert (ended.code, ended.stderr) == (1, b"")
    assert b"network.refused" in ended.stdout


# The child process that runs the checks


def bug(document: dict[str, Any], id_: str = "internal.bug") -> str:
    (found,) = {each["message"] for check in document["checks"] for each in check["findings"] if each["id"] == id_}
    return str(found)


def test_traceback_of_the_child_process_is_printed(refused: list[str]) -> None:
    code = "import preflight.run.runner as m\ndef broken(*_, **__): raise LookupError('words')\nm._distinct = broken"
    ended = run(*refused, "-v", code=code)
    assert ended.code == 3
    assert bug(ended.document).startswith("LookupError at ")
    assert b"in broken" in ended.stderr


def test_unreadable_result_of_the_child_is_a_bug(refused: list[str]) -> None:
    code = "import multiprocessing.connection as m\ndef broken(*_): raise LookupError('x')\nm.Connection.recv = broken"
    ended = run(*refused, "-v", "--deadline=30", code=code)
    assert ended.code == 3
    assert bug(ended.document).startswith("LookupError at ")
    assert b"in broken" in ended.stderr
    assert ended.seconds < 25


def test_killed_child_process_is_reported_as_no_memory(refused: list[str]) -> None:
    code = "import os, preflight.run.runner as m\nm._distinct = lambda *_: os.kill(os.getpid(), 9)"
    ended = run(*refused, code=code)
    assert (ended.code, ended.stderr) == (1, b"")
    assert "was killed" in bug(ended.document, "run.no-memory")


def test_child_process_that_never_exits(refused: list[str]) -> None:
    code = "import os, preflight.run.runner as m\nos.waitpid = lambda *_: (0, 0)\nm._distinct = lambda *_: os._exit(7)"
    ended = run(*refused, "--deadline=30", code=code)
    assert ended.code == 3
    assert bug(ended.document).endswith("died: for an unknown reason")
    assert ended.seconds < 25


# The child process where the system allows no fork

SPAWNS = "from preflight.run import child_main\nchild_main.FORKS = False\n"


@pytest.fixture
def silent(tmp_path: Path) -> Iterator[tuple[list[str], threading.Event]]:
    """The flags of a run that waits for a server, and the event that the server received a request."""
    received = threading.Event()
    with faults.serving(lambda connection: (connection.recv(1), received.set(), faults.read_on(connection))) as port:
        file = configs.write(tmp_path, {"kv.data_plane.url": f"redis://127.0.0.1:{port}"})
        limits = ["--timeout=200", "--deadline=300"]
        yield ["--config", str(file), "--only=kv.data_plane", "-f", "json", *limits], received


def waiting_run(flags: list[str], received: threading.Event) -> tuple[Command, int]:
    """A run whose server has received a request, and the process id of its child."""
    running = Command(*flags, code=SPAWNS)
    assert received.wait(100)
    return running, int(Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children").read_text())


def is_alive(process: int) -> bool:
    status = Path(f"/proc/{process}/stat")
    return status.exists() and ") Z " not in status.read_text()


@pytest.mark.parametrize("stage", STAGES)
def test_every_check_can_be_sent_to_a_spawned_child(stage: str) -> None:
    config = load(processes.EXAMPLE, {}, 60.0)
    checks = plan(config, stage=stage).checks
    job = Job(checks, Settings(Trust(Path("roots.pem")), 1.0), 2.0, 3.0, config.origins, NO_WAIT, NO_PROCESSOR_TIME)
    received = pickle.loads(pickle.dumps(job))
    assert len(checks) > 15
    assert received == job


def test_spawned_child_makes_the_checks(refused: list[str]) -> None:
    ended = run(*refused, code=SPAWNS)
    assert (ended.code, ended.stderr) == (1, b"")
    assert ended.document["checks"][-1]["findings"][1]["id"] == "network.refused"


def test_signal_ends_a_spawned_child(silent: tuple[list[str], threading.Event]) -> None:
    running, child = waiting_run(*silent)
    running.signal(signal.SIGTERM)
    ended = running.end(100)
    assert (ended.code, ended.stderr) == (143, b"")
    assert "run.interrupted" in {finding["id"] for finding in ended.document["checks"][-1]["findings"]}
    assert not is_alive(child)


def test_spawned_child_ends_with_its_parent(silent: tuple[list[str], threading.Event]) -> None:
    running, child = waiting_run(*silent)
    running.signal(signal.SIGKILL)
    until(lambda: not is_alive(child))
    running.end(100)


@pytest.mark.parametrize("function", ["os.fork", "os.posix_spawn"])
def test_process_that_cannot_be_started(refused: list[str], function: str) -> None:
    code = SPAWNS if function == "os.posix_spawn" else ""
    code += f"import os\ndef broken(*_, **__): raise BlockingIOError(11, 'Try again')\n{function} = broken"
    ended = run(*refused, code=code)
    assert (ended.code, ended.stderr) == (1, b"")
    assert "can't start new process" in bug(ended.document, "run.no-memory")


def test_job_that_the_spawned_child_cannot_read(refused: list[str]) -> None:
    code = f"{SPAWNS}import multiprocessing.connection as m\n"
    code += "m.Connection.send = lambda pipe, job: pipe.send_bytes(b'no job')"
    ended = run(*refused, "-v", "--deadline=30", code=code)
    assert ended.code == 3
    assert "UnpicklingError" in bug(ended.document)
    assert ended.seconds < 25
