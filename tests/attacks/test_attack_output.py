"""Reports that cannot be written.

Disks are full, files may not grow, readers have closed the pipe: each fault gives one clear line on standard error and
an exit code that is never 0. A file that was at the report's path stays unchanged, no temporary file is left, and
reports at other paths are still written.
"""

import ctypes
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from signal import SIGTERM

import pytest

from preflight.formats import FORMATS
from tests.harness import profiles
from tests.harness.command import CLEAN, ROOT, SCHEMA, Command, Ended, run, unread_pipe
from tests.harness.figures import Section
from tests.testbed.names import can_change_names, with_files

RIGHT = ("config", "--config", str(ROOT / "examples" / "mistle.toml"))
OLD = "the report of an earlier run\n"
VERDICTS: Mapping[int, Mapping[str, str]] = {0: {}, 1: {"MISTLE_ENV": "prod"}}
"""The variables that give a configuration this exit code."""
each_verdict = pytest.mark.parametrize("verdict", VERDICTS)
each_format = pytest.mark.parametrize("name", FORMATS)
# The documents of these two hold little but failures: those of a run with one fit where other formats do not.
each_long_format = pytest.mark.parametrize("name", [name for name in FORMATS if name not in {"github", "sarif"}])
needs_root = pytest.mark.skipif(not can_change_names(), reason="only root on Linux can mount a file system")


@pytest.fixture
def fails(figures: Section) -> Callable[..., None]:
    """Assert that a run reported its fault in one line with these parts, and that its exit code is not 0."""

    def check(ended: Ended, fault: str, *parts: str, verdict: int = 0) -> None:
        assert ended.code == (verdict or 2)
        error = ended.stderr.decode()
        assert error.startswith("mistle-preflight: ")
        assert error.count("\n") == 1
        assert [part for part in parts if part not in error] == [], error
        column = "not ready" if verdict else "ready"
        figures.cell(fault, f"exit code of a run that is {column}", str(ended.code))

    return check


def files(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in folder.iterdir()}


def limited_to(size: int) -> Callable[[], None]:
    """Limits the size of the files of a process; pipes are not files."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@each_verdict
@profiles.covering
@each_long_format
@pytest.mark.parametrize("size", [0, 100])
def test_file_that_may_not_grow(name: str, size: int, verdict: int, tmp_path: Path, fails: Callable[..., None]) -> None:
    path = tmp_path / "report"
    path.write_text(OLD)
    ended = run(*RIGHT, "-f", f"{name}={path}", env=VERDICTS[verdict], preexec_fn=limited_to(size))
    fails(ended, "a file that may not grow", "File too large", f"the {name} report", str(path), verdict=verdict)
    assert files(tmp_path) == {"report": OLD}


def on_a_full_disk(folder: Path, function: Callable[[], Ended]) -> tuple[Ended, dict[str, str]]:
    """Call `function` in a thread for which the folder is a disk of one page that holds an old report."""

    def fill() -> tuple[Ended, dict[str, str]]:
        libc = ctypes.CDLL(None, use_errno=True)
        mounted = libc.mount(b"none", str(folder).encode(), b"tmpfs", 0, b"size=4k")
        assert mounted == 0, os.strerror(ctypes.get_errno())
        (folder / "report").write_text(OLD)
        return function(), files(folder)

    return with_files({}, fill)


@needs_root
@each_verdict
@profiles.covering
@each_format
def test_disk_that_is_full(name: str, verdict: int, tmp_path: Path, fails: Callable[..., None]) -> None:
    arguments = (*RIGHT, "-f", f"{name}={tmp_path / 'report'}")
    ended, left = on_a_full_disk(tmp_path, lambda: run(*arguments, env=VERDICTS[verdict]))
    fails(ended, "a full disk", "No space left on device", f"the {name} report", verdict=verdict)
    assert left == {"report": OLD}


@needs_root
def test_standard_output_on_a_full_disk(tmp_path: Path, fails: Callable[..., None]) -> None:
    def redirected() -> Ended:
        with (tmp_path / "out").open("wb") as stream:
            return run(*RIGHT, stdout=stream)

    ended, _ = on_a_full_disk(tmp_path, redirected)
    fails(ended, "standard output on a full disk", "No space left on device", "standard output")


def test_standard_output_that_may_not_grow(tmp_path: Path, fails: Callable[..., None]) -> None:
    with (tmp_path / "out").open("wb") as stream:
        ended = run(*RIGHT, stdout=stream, preexec_fn=limited_to(100))
    fails(ended, "standard output that may not grow", "File too large", "standard output")


@each_verdict
@profiles.covering
@each_format
def test_dev_full(name: str, verdict: int, fails: Callable[..., None]) -> None:
    ended = run(*RIGHT, "-f", f"{name}=/dev/full", env=VERDICTS[verdict])
    fails(ended, "a full device", "No space left on device", f"the {name} report", "/dev/full", verdict=verdict)


COMMANDS = {"a report": RIGHT, "an explanation": ("explain", "network.refused"), "the help": ("--help",)}


@pytest.mark.parametrize("what", COMMANDS)
def test_reader_that_has_closed_the_pipe(what: str, fails: Callable[..., None]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    ended = run(*COMMANDS[what], stdout=writer)
    os.close(writer)
    fails(ended, f"a closed pipe, for {what}")
    assert ended.stderr == b"mistle-preflight: standard output cannot be written to: Broken pipe\n"


@each_verdict
@profiles.covering
@each_long_format
def test_reader_that_closes_the_pipe_in_the_middle(name: str, verdict: int, fails: Callable[..., None]) -> None:
    with unread_pipe() as (reader, writer):
        running = Command(*RIGHT, "-f", name, env=VERDICTS[verdict], stdout=writer)
        os.close(writer)
        assert os.read(reader, 10)
    fails(running.end(), "a reader that closes the pipe in the middle", "Broken pipe", verdict=verdict)


@profiles.covering
@each_format
def test_pipe_that_is_not_read(name: str, tmp_path: Path, fails: Callable[..., None]) -> None:
    """Opening it would wait without end."""
    os.mkfifo(tmp_path / "pipe")
    ended = run(*RIGHT, "-f", f"{name}={tmp_path / 'pipe'}")
    fails(ended, "a named pipe that nobody reads", f"{tmp_path / 'pipe'}: nobody reads this pipe")


def test_pipe_that_is_read_gets_the_whole_report(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["cat", str(tmp_path / "pipe")], stdout=subprocess.PIPE) as reader:
        ended = run(*RIGHT, "-f", f"json={tmp_path / 'pipe'}")
        text, _ = reader.communicate(timeout=10)
    assert (ended.code, ended.stderr) == (0, b"")
    SCHEMA.validate(json.loads(text))


GONE = {
    "a folder removed during the run": "shutil.rmtree(path.parent)",
    "a folder in the report's place": "path.mkdir()",
}


@profiles.covering
@each_format
@pytest.mark.parametrize("what", GONE)
def test_report_folder_removed_during_the_run(what: str, name: str, tmp_path: Path, fails: Callable[..., None]) -> None:
    path = tmp_path / "folder" / "report"
    path.parent.mkdir()
    code = f"""
import pathlib, shutil
import preflight.cli.commands as commands
path, load = pathlib.Path({str(path)!r}), commands.load
def break_and_load(*given):
    {GONE[what]}
    return load(*given)
commands.load = break_and_load
"""
    fails(run(*RIGHT, "-f", f"{name}={path}", code=code), what, f"the {name} report", str(path))
    assert {file.name for file in tmp_path.rglob("*")} <= {"folder", "report"}


@each_verdict
def test_failed_format_does_not_stop_the_others(verdict: int, tmp_path: Path, fails: Callable[..., None]) -> None:
    paths = [tmp_path / "first", Path("/dev/full"), tmp_path / "last"]
    wanted = [f"-fjson={path}" for path in paths]
    ended = run(*RIGHT, *wanted, "-f", "text", env=VERDICTS[verdict])
    fails(ended, "one format of several", "/dev/full", verdict=verdict)
    assert b"VALID, nothing was probed" in ended.stdout
    documents = [json.loads(text) for text in files(tmp_path).values()]
    assert len(documents) == 2
    for document in documents:
        SCHEMA.validate(document)


def test_all_failed_formats_are_in_one_line(tmp_path: Path, fails: Callable[..., None]) -> None:
    os.mkfifo(tmp_path / "pipe")
    wanted = ("-f", "json=/dev/full", "-f", f"text={tmp_path / 'pipe'}", "-f", "text")
    ended = run(*RIGHT, *wanted, preexec_fn=lambda: os.close(1))
    fails(ended, "every format", "the json report", "the text report", "standard output")


def test_interrupted_run_whose_report_is_lost_is_still_interrupted(fails: Callable[..., None]) -> None:
    signal_itself = f"signal_after('preflight.cli.commands', 'load', {int(SIGTERM)})"
    code = f"from tests.harness.self_signal import signal_after; {signal_itself}"
    ended = run(*RIGHT, "-f", "json=/dev/full", code=code)
    fails(ended, "a run that was interrupted", "/dev/full", verdict=128 + SIGTERM)


def test_closed_standard_streams_do_no_harm() -> None:
    command = " ".join((sys.executable, "-m", "preflight", *RIGHT))
    for closing in (">&-", "2>&-", ">&- 2>&-"):
        done = subprocess.run(f"{command} {closing}", shell=True, env=CLEAN, capture_output=True, check=False)
        assert done.returncode == (2 if closing.startswith(">") else 0)
        assert done.stderr.count(b"\n") == (closing == ">&-")
