"""Where a report is written: to a whole file, in place, or to a pipe; never through another user's link."""

import json
import os
import stat
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from preflight.output.destinations import is_writable
from tests.fuzz.call import call
from tests.harness import profiles
from tests.harness.command import ROOT, SCHEMA, Command, run, unread_pipe
from tests.testbed.names import can_change_names

RIGHT = ("config", "--config", str(ROOT / "examples" / "mistle.toml"))
OTHER = 65534  # a user
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def is_report(text: bytes) -> bool:
    SCHEMA.validate(json.loads(text))
    return True


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A folder as /tmp is."""
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o1777)
    return folder


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    """A file that must not change."""
    file = tmp_path / "folder" / "precious"
    file.parent.mkdir()
    file.write_text("precious")
    return file


HANGS = """
import os, time
def hang(*given, **options):
    if any(str(each).startswith({folder!r}) for each in given):
        time.sleep(1000)
    return use(*given, **options)
use, {function} = {function}, hang
"""
"""Code for a command: a call hangs for what is in a folder, as if the server of a mount did not reply."""


@pytest.mark.parametrize("function", profiles.first(1, ["os.stat", "os.open", "os.access"]))
def test_mount_that_does_not_reply(function: str, tmp_path: Path) -> None:
    sooner = "import preflight.output.destinations as d; d._SECONDS = 1.0"
    code = sooner + HANGS.format(folder=str(tmp_path), function=function)
    ended = run(*RIGHT, "-f", f"json={tmp_path / 'report.json'}", "-f", "text", "--deadline", "3", code=code)
    assert ended.code == 2
    assert b"cannot be written" in ended.stderr
    assert ended.seconds < 100


def given(file: Path, user: int) -> Path:
    if not os.path.lexists(file):
        file.write_text("x" * 100_000)
    os.chown(file, user, user, follow_symlinks=False)
    return file


def linked(file: Path, target: Path) -> Path:
    file.symlink_to(target)
    return file


@needs_root
@pytest.mark.parametrize("way", ["link", "link to a link", "link to a folder", "link to a device"])
def test_link_of_another_user_in_a_shared_folder(way: str, shared: Path, precious: Path, tmp_path: Path) -> None:
    link = shared / "report"
    named = link / precious.name if way == "link to a folder" else link
    leads_to = {"link to a folder": precious.parent, "link to a device": Path("/dev/null")}.get(way, precious)
    given(linked(link, leads_to), OTHER)
    if way == "link to a link":
        named = linked(tmp_path / "own", link)
    ended = run(*RIGHT, "-f", f"json={named}")
    assert (ended.code, ended.stderr.decode()) == (2, f"mistle-preflight: --format: {named} cannot be written\n")
    assert precious.read_text() == "precious"
    assert link.is_symlink()


@needs_root
def test_pipe_of_another_user_in_a_shared_folder(shared: Path) -> None:
    os.mkfifo(shared / "report")
    given(shared / "report", OTHER)
    reader = os.open(shared / "report", os.O_RDONLY | os.O_NONBLOCK)
    ended = run(*RIGHT, "-f", f"json={shared / 'report'}")
    assert (ended.code, os.read(reader, 10)) == (2, b"")
    os.close(reader)


@pytest.mark.parametrize("owner", ["the user", "the folder's owner"])
@needs_root
def test_link_that_is_trusted(owner: str, shared: Path, precious: Path) -> None:
    link = linked(shared / "report", Path("..") / "folder" / "precious")
    if owner == "the folder's owner":
        given(shared, OTHER)
        given(link, OTHER)
    assert run(*RIGHT, "-f", f"json={link}").code == 0
    assert is_report(precious.read_bytes())
    assert link.is_symlink()


def test_loop_of_links(tmp_path: Path) -> None:
    linked(tmp_path / "a", tmp_path / "b")
    linked(tmp_path / "b", tmp_path / "a")
    for name in ("a", "a/report"):
        ended = run(*RIGHT, "-f", f"json={tmp_path / name}")
        assert ended.code == 2
        assert ended.stderr.decode() == f"mistle-preflight: --format: {tmp_path / name} cannot be written\n"


@needs_root
def test_file_in_a_folder_without_write_permission() -> None:
    """Like /dev/termination-log in a container that runs without root."""
    call(*RIGHT, "-f", "json")  # what is imported late is not to be read without permission
    with TemporaryDirectory() as folder:
        log = given(Path(folder, "log"), OTHER)
        log.chmod(0o640)
        Path(folder).chmod(0o755)
        os.seteuid(OTHER)
        try:
            ended = call(*RIGHT, "-f", f"json={log}")
        finally:
            os.seteuid(0)
        assert (ended.code, ended.stderr) == (0, "")
        assert is_report(log.read_bytes())
        assert mode(log) == 0o640


@needs_root
def test_is_writable_before_the_run() -> None:
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        log, mine, new = given(Path(folder, "log"), OTHER), given(Path(folder, "root's"), 0), Path(folder, "new")
        mine.chmod(0o644)
        child = os.fork()
        if not child:
            os.setgroups([])
            os.setgid(OTHER)
            os.setuid(OTHER)
            os._exit([is_writable(place) for place in (log, mine, new)] != [True, False, False])
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.skipif(not can_change_names(), reason="only root on Linux can mount a file")
def test_file_that_is_a_mount(tmp_path: Path, precious: Path) -> None:
    """Like /dev/termination-log for root in a container."""
    log = tmp_path / "log"
    log.touch()
    subprocess.run(["mount", "--bind", str(precious), str(log)], check=True)
    try:
        ended = run(*RIGHT, "-f", f"json={log}")
    finally:
        subprocess.run(["umount", str(log)], check=True)
    assert (ended.code, ended.stderr) == (0, b"")
    assert is_report(precious.read_bytes())
    assert {*tmp_path.iterdir()} == {precious.parent, log}


def test_pipe_that_is_not_read_any_more(tmp_path: Path) -> None:
    with unread_pipe() as (reader, writer):
        assert reader
        os.set_inheritable(writer, True)
        running = Command(*RIGHT, "-f", "json=/dev/stdout", "--deadline", "1", stdout=writer)
        ended = running.end()
    assert ended.code == 2
    assert ended.stderr.decode().endswith("written to /dev/stdout: its reader does not take it in time\n")


@pytest.mark.parametrize("name", ["json", "text"])
def test_standard_output_that_is_not_read(name: str) -> None:
    """The command ends at its deadline, and not when a signal comes."""
    with unread_pipe() as (_, writer):
        running = Command(*RIGHT, "-f", name, "-v", "--deadline", "1", stdout=writer)
        os.close(writer)
        ended = running.end(30)
    assert ended.code == 2
    message = "mistle-preflight: standard output cannot be written to: its reader does not take it in time\n"
    assert ended.stderr.decode() == message


def test_inherited_file_descriptor(tmp_path: Path) -> None:
    program = f"exec 3>&1 >/dev/null; '{ROOT}/.venv/bin/python' -m preflight {' '.join(RIGHT)} -f json=/dev/fd/3"
    done = subprocess.run(["bash", "-c", program], capture_output=True, check=True, cwd=ROOT)
    assert is_report(done.stdout)
    assert len(done.stdout) > 4096


@pytest.mark.parametrize("read", [False, True])
def test_step_summary_that_is_a_pipe(tmp_path: Path, read: bool) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK) if read else None
    ended = run(*RIGHT, "-f", "github", env={"GITHUB_STEP_SUMMARY": str(pipe)})
    if reader:
        os.close(reader)
    assert ended.code == 0
    assert ended.stderr.startswith(b"mistle-preflight: the step's summary cannot be written to: ")
    assert ended.stderr.count(b"\n") == 1
