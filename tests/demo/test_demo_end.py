"""However the command ends, nothing of the demo is left: no process, no folder."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.harness import profiles
from tests.harness.command import CLEAN

PROGRAM = """
import sys, time
from preflight.demo.client import running
from preflight.run.signals import Signals
with running([], Signals(), lambda line: print(line, flush=True)) as demo:
    print("up", flush=True)
    while True:
        time.sleep(0.01)  # a signal that comes just before a longer one does not end it
"""
MOMENTS = ("", "the object store", "Postgres", "up")
"""The last line that is read before the signal; "" for the moment at which the process exists."""
# It may read what only root may, such as this environment's Python.
AS_NOBODY = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups",
             "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")  # fmt: skip
LIMIT = 60.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the demo makes its own folder. Another user may enter it."""
    place = tmp_path
    while place.parent != Path("/") and place.owner() == Path("/proc/self").owner():
        place.chmod(place.stat().st_mode | 0o011)
        place = place.parent
    tmp_path.chmod(0o1777)
    return tmp_path


def started(folder: Path, command: Sequence[str] = ()) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*command, sys.executable, "-c", PROGRAM],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=CLEAN | {"TMPDIR": str(folder)},
    )


def left(folder: Path) -> list[str]:
    """What is in the folder, and processes that are started with it."""
    found = [str(each) for each in folder.iterdir()]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            told = process.joinpath("environ").read_bytes() + process.joinpath("cmdline").read_bytes()
            if bytes(folder) in told and process.joinpath("stat").read_text().rpartition(")")[2].split()[0] != "Z":
                found.append(process.joinpath("cmdline").read_text())
        except OSError:
            """It has ended."""
    return found


def wait_until_nothing_is_left(folder: Path) -> None:
    ends = time.monotonic() + LIMIT
    while (found := left(folder)) and time.monotonic() < ends:
        time.sleep(0.02)
    assert not found


@profiles.covering
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("number", ["SIGKILL", "SIGTERM", "SIGHUP", "SIGINT"])
@pytest.mark.parametrize("account", ["root", "user"])
def test_signal_leaves_no_process_and_no_file(moment: str, number: str, account: str, folder: Path) -> None:
    if account == "user" and os.geteuid() == 0:
        command = AS_NOBODY
    elif account == "root" and os.geteuid():
        pytest.skip("only root can be root")
    else:
        command = ()
    with started(folder, command) as process:
        assert process.stdout
        while moment and moment not in process.stdout.readline():
            assert process.poll() is None
        assert not moment or left(folder)
        process.send_signal(signal.Signals[number])
    wait_until_nothing_is_left(folder)


def test_user_without_an_account(folder: Path) -> None:
    if os.geteuid():
        pytest.skip("only root can be another user")
    command = [*AS_NOBODY[:1], "--reuid=54321", *AS_NOBODY[2:]]
    with started(folder, command) as process:
        _, told = process.communicate()
    assert "user 54321 has no entry in /etc/passwd" in told
    assert not left(folder)
