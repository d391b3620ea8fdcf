"""``-- PROGRAM``: a run that is ready becomes this program, in the state in which the run was started."""

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from preflight.cli.options import UsageError
from preflight.cli.parser import parse
from tests.harness import configs, faults
from tests.harness.command import CLEAN, Command

STATE = """
import json, os, re, resource, signal
status = dict(re.findall(r"^(Sig(?:Blk|Ign|Cgt)):\\s*(\\w+)$", open("/proc/self/status").read(), re.MULTILINE))
limits = {n: resource.getrlimit(getattr(resource, n)) for n in dir(resource) if n.startswith("RLIMIT_")}
descriptors = sorted(os.listdir("/proc/self/fd"))
environ = dict(v.partition("=")[::2] for v in open("/proc/self/environ").read().split("\\0"))
print(json.dumps([status, limits, descriptors, environ, os.umask(0), os.getcwd(), os.getpid()]))
"""
RUN = (sys.executable, "-m", "preflight")


@pytest.fixture
def ready(tmp_path: Path) -> Iterator[tuple[str, ...]]:
    """The flags of a run that is ready: its only failure is ignored."""
    with faults.refused_port() as port:
        file = configs.write(tmp_path, {"kv.data_plane.url": f"redis://127.0.0.1:{port}"})
        report = f"json={tmp_path / 'report.json'}"
        yield "--config", str(file), "--only", "kv.data_plane", "--ignore", "network.refused", "-f", report


def prepare() -> None:
    """Unusual, so that a state that is only the usual one is noticed."""
    os.umask(0o027)
    resource.setrlimit(resource.RLIMIT_NOFILE, (300, 500))
    resource.setrlimit(resource.RLIMIT_CORE, (4096, 8192))
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    signal.signal(signal.SIGQUIT, signal.SIG_IGN)
    os.set_inheritable(os.dup2(0, 7), True)


def state(*command: str, environ: dict[str, str]) -> list[object]:
    """What the program finds that this command becomes."""
    done = subprocess.run(
        [*command, "-c", STATE],
        env=environ,
        preexec_fn=prepare,
        close_fds=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=100,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    found: list[object] = json.loads(done.stdout)
    return found[:-1]


@pytest.mark.parametrize("locale", [{}, {"LC_CTYPE": "C"}, {"LANG": "C.UTF-8"}], ids=["none", "C", "UTF-8"])
def test_program_has_the_state_of_the_start(ready: tuple[str, ...], locale: dict[str, str], tmp_path: Path) -> None:
    environ = {**CLEAN, "PGHOST": "db", "AWS_REGION": "x", "HTTP_PROXY": "http://p", "EMPTY": "", **locale}
    alone = state(sys.executable, "-I", environ=environ)
    assert state(*RUN, *ready, "--", sys.executable, "-I", environ=environ) == alone
    assert json.loads((tmp_path / "report.json").read_text())["ready"] is True


def test_program_is_the_same_process_and_its_exit_code_counts(ready: tuple[str, ...]) -> None:
    with subprocess.Popen([*RUN, *ready, "--", "sh", "-c", "echo $$; exit 42"], stdout=subprocess.PIPE) as running:
        output, _ = running.communicate(timeout=100)
    assert (output, running.returncode) == (f"{running.pid}\n".encode(), 42)


def test_program_is_not_started_by_a_run_that_is_not_ready(ready: tuple[str, ...]) -> None:
    arguments = [each for each in ready if each not in {"--ignore", "network.refused"}]
    done = subprocess.run([*RUN, *arguments, "--", "echo", "started"], capture_output=True, timeout=100, check=False)
    assert (done.returncode, done.stdout) == (1, b"")


def test_signal_after_the_report_ends_the_process_and_starts_nothing(ready: tuple[str, ...]) -> None:
    """It comes while the last bytes are written: the exit code of the report is 0, and the signal still counts."""
    sends = "import os, preflight.cli.execute as m; deliver = m.deliver\n"
    sends += "m.deliver = lambda *given: (deliver(*given), os.kill(os.getpid(), 15))[0]"
    running = Command(*ready, "--", "echo", "started", code=sends)
    ended = running.end(100)
    assert (ended.code, ended.stdout) == (-signal.SIGTERM, b"")


def test_report_on_standard_error_is_added_to_a_file(ready: tuple[str, ...], tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("ab") as stream:
        stream.write(b"before\n")
        stream.flush()
        command = [*RUN, *ready, "-f", "text=/dev/stderr", "--", "sh", "-c", "echo after >&2"]
        subprocess.run(command, stderr=stream, timeout=100, check=True)
    first, *_, verdict, last = log.read_text().splitlines()
    assert (first, last) == ("before", "after")
    assert verdict.startswith("READY")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--", "true"], "--format text=/dev/stderr"),
        (["-f", "json", "-f", "text=/dev/stderr", "--", "true"], "--format text=/dev/stderr"),
        (["-f", "text=/dev/stdout", "--", "true"], "--format text=/dev/stderr"),
        (["-f", "text=/dev/stderr", "--", "no-such-program"], "there is no program 'no-such-program'"),
        (["-f", "text=/dev/stderr", "--", "/etc/passwd"], "may not be executed"),
        (["-f", "text=/dev/stderr", "--"], "name the program"),
        (["config", "-f", "text=/dev/stderr", "--", "true"], "config starts no program"),
    ],
    ids=["text", "json", "the device", "missing", "no program", "nothing", "no run"],
)
def test_wrong_use_is_refused_before_the_run(arguments: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse(arguments)


def test_program_that_cannot_be_started(ready: tuple[str, ...], tmp_path: Path) -> None:
    """Its interpreter is missing, which only the kernel notices."""
    program = tmp_path / "program"
    program.write_text("#!/no/such/interpreter\n")
    program.chmod(0o755)
    done = subprocess.run([*RUN, *ready, "--", str(program)], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 126
    assert done.stderr == f"mistle-preflight: {program} cannot be started: No such file or directory\n"
