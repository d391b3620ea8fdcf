"""Reading a file, a pipe or a device takes limited time and memory."""

import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from checks.core.files import UnreadableFile, read

SOON = 0.2  # seconds


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


def open_files() -> int:
    return len(list(Path("/dev/fd").iterdir()))


def test_regular_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 200_000)
    assert read(tmp_path / "file", 200_000, 10) == b"x" * 200_000


def test_file_without_a_size() -> None:
    assert read(Path("/proc/self/status"), 1 << 20, 10).startswith(b"Name:")


def test_link_to_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"contents")
    (tmp_path / "link").symlink_to("file")
    assert read(tmp_path / "link", 8, 10) == b"contents"


def test_pipe_whose_writer_comes_later(pipe: Path) -> None:
    with subprocess.Popen(["sh", "-c", f"sleep 0.2; echo one >'{pipe}'"]):
        assert read(pipe, 100, 60) == b"one\n"


def test_pipe_that_is_written_in_pieces(pipe: Path) -> None:
    with subprocess.Popen(["sh", "-c", f"(echo one; sleep 0.2; echo two) >'{pipe}'"]):
        assert read(pipe, 100, 60) == b"one\ntwo\n"


def test_pipe_of_an_open_descriptor() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"words")
    os.close(writer)
    assert read(Path(f"/dev/fd/{reader}"), 100, 60) == b"words"
    assert read(reader, 100, 60) == b""
    os.close(reader)


def test_pipe_without_a_writer(pipe: Path) -> None:
    files, threads = open_files(), threading.active_count()
    with pytest.raises(UnreadableFile, match=r"^could not be read to its end in time$"):
        read(pipe, 100, SOON)
    expect(lambda: open_files() <= files and threading.active_count() <= threads)


def expect(true: Callable[[], bool]) -> None:
    limit = time.monotonic() + 30
    while not true() and time.monotonic() < limit:
        time.sleep(0.01)
    assert true()


def test_pipe_without_an_end(pipe: Path) -> None:
    with subprocess.Popen(["sh", "-c", f"exec 3>'{pipe}'; echo one >&3; read wait"], stdin=subprocess.PIPE) as writer:
        with pytest.raises(UnreadableFile, match="in time"):
            read(pipe, 100, 1)
        writer.communicate()


def test_pipe_over_the_limit(pipe: Path) -> None:
    with subprocess.Popen(["cat", "/dev/zero"], stdout=os.open(pipe, os.O_RDWR)) as writer:
        with pytest.raises(UnreadableFile, match="is larger than 3 MiB"):
            read(pipe, 3 << 20, 60)
        writer.kill()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (".", "is a directory"),
        ("/dev/zero", "is neither a file nor a pipe"),
        ("none", "cannot be read: no such file or directory"),
        ("none\0", "cannot be read: embedded null byte"),
        ("loop", "cannot be read: too many levels of symbolic links"),
        ("large", "is larger than 1 KiB"),
    ],
)
def test_unreadable_file(name: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "large").write_bytes(bytes(1025))
    before = open_files()
    with pytest.raises(UnreadableFile, match=f"^{words}$"):
        read(tmp_path / name, 1024, 10)
    assert open_files() <= before  # another thread of the process may close one


def test_file_on_a_mount_whose_server_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every call to such a mount blocks, also the first."""
    answered, threads = threading.Event(), threading.active_count()

    def stat(self: Path) -> None:
        answered.wait(60)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "stat", stat)
    with pytest.raises(UnreadableFile, match="in time"):
        read(tmp_path / "file", 100, SOON)
    answered.set()
    expect(lambda: threading.active_count() <= threads)
