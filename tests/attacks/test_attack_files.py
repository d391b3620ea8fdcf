"""Hostile files.

In the place of the configuration stand any bytes, things that are not files, a file that appears and disappears, and
hundreds of kilobytes of each character that could make a pattern slow. None costs more than a few seconds of processor
time.
"""

import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.call import Ended, arguments, call
from tests.fuzz.contract import hold
from tests.fuzz.secrets import whole
from tests.fuzz.seeds import documents
from tests.fuzz.tally import Tally, many
from tests.harness import profiles
from tests.harness.configs import write
from tests.harness.figures import Section

ROOT = Path(__file__).parents[2]
CLEAN = {b"PATH": os.environb[b"PATH"], b"PYTHONPATH": os.fsencode(ROOT)}
ODD = [b"\xff", b"\xef\xbb\xbf", b"\0", b"\r", b"\n", b"\x1b[2J", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b'"""', b"]]"]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files") / "mistle.toml"


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A valid configuration with bytes in it that do not belong there."""
    right = draw(st.sampled_from(list(documents())))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(right)))
        odd, rest = draw(st.sampled_from(ODD) | st.binary(max_size=8)), right[start + draw(st.integers(0, 9)) :]
        right = right[:start] + odd + rest
    return right


def test_any_bytes(file: Path, figures: Section):
    tally = Tally()

    @many(3)
    @given(st.binary(max_size=300) | damaged())
    def holds(given_: bytes) -> None:
        file.write_bytes(given_)
        hold(tally.note(call("config", "--config", str(file), "-f", "json")), whole(given_))

    holds()
    tally.write(figures, "any bytes")


def fifo(path: Path) -> None:
    os.mkfifo(path)


def loop(path: Path) -> None:
    path.symlink_to(path)


def link_to(target: str) -> Callable[[Path], object]:
    return lambda path: path.symlink_to(target)


def content(text: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(text)


def sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 10 << 20)


def closed(path: Path) -> None:
    path.touch(0)


UNREADABLE: dict[str, Callable[[Path], object]] = {
    "nothing": lambda path: None,
    "a pipe": fifo,
    "a directory": Path.mkdir,
    "a device": link_to("/dev/zero"),
    "a terminal": link_to("/dev/tty"),
    "memory": link_to("/proc/self/mem"),
    "a link to itself": loop,
    "a link to nothing": link_to("nothing"),
    "without permission": closed,
    "ten megabytes": sparse,
    "invalid UTF-8": content(b"a = '\xff'"),
    "UTF-16": content("a = 1".encode("utf-16")),
    "a byte order mark": content(b"\xef\xbb\xbfa = 1"),
    "NUL": content(b"a = 1\0"),
    "lines that end in CR": content(b"a = 1\rb = 2\r"),
    "deep arrays": content(b"a = " + b"[" * 200_000),
    "deep tables": content(b"a = " + b"{a=" * 200_000),
    "a deep name": content(b"a." * 200_000 + b"a = 1"),
    "a deep header": content(b"[" + b"a." * 200_000 + b"a]"),
    "an endless number": content(b"a = " + b"9" * 500_000),
}


@pytest.mark.parametrize("way", ["flag", "variable"])
@pytest.mark.parametrize("case", UNREADABLE)
def test_unreadable_file_is_one_line(tmp_path: Path, figures: Section, case: str, way: str):
    path = tmp_path / "mistle.toml"
    UNREADABLE[case](path)
    call("config", "-f", "json")  # imports what would be imported late, and could then not be read
    with unprivileged():
        named = ("--config", str(path)) if way == "flag" else ()
        ended = call(
            "config", "-f", "json", "--timeout", "0.5", *named, environ={b"MISTLE_CONFIG_PATH": os.fsencode(path)}
        )
    assert hold(ended)["checks"][0]["findings"][0]["id"] == "config.unreadable"
    assert ended.code == 2
    assert str(path) in ended.stderr
    figures.cell("files that cannot be read", "inputs", str(len(UNREADABLE)))


@contextmanager
def unprivileged() -> Iterator[None]:
    """Run as a user who may not read every file."""
    user = os.geteuid()
    os.seteuid(user or 65534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_a_pipe_that_replaces_the_file_does_not_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path, look = write(tmp_path), Path.stat

    def look_and_change(self: Path, **options: bool) -> os.stat_result:
        result = look(self, **options)
        if self == path and stat.S_ISREG(result.st_mode):
            path.unlink()
            os.mkfifo(path)
        return result

    monkeypatch.setattr(Path, "stat", look_and_change)
    ended = call("config", "--config", str(path), "--timeout", "0.3")
    assert (ended.code, "could not be read to its end in time" in ended.stderr) == (2, True)


@profiles.long
def test_file_that_appears_and_disappears(tmp_path: Path, figures: Section):
    path, right, ends = tmp_path / "mistle.toml", write(tmp_path).rename(tmp_path / "right"), threading.Event()
    tally = Tally()

    def change() -> None:
        while not ends.is_set():
            for make in (lambda: os.link(right, path), path.mkdir, lambda: os.mkfifo(path)):
                make()
                time.sleep(0.0005)
                path.rmdir() if path.is_dir() else path.unlink()

    worker = threading.Thread(target=change)
    worker.start()
    try:
        while tally.total() < 200 or len(tally) < 2:
            hold(tally.note(call("config", "--config", str(path), "-f", "json")))
    finally:
        ends.set()
        worker.join()
    tally.write(figures, "a file that appears and disappears")


CHARACTERS = ["://", "://:", "{{", "${", ":<", "?", "&a=", "é", "😀.", "@", "%", "[", "'", "-", "\u202e"]
WHERE = {
    "services.dashboard.public_url": "https://",
    "postgres.data_plane.direct_url": "postgres://",
    "kv.data_plane.url": "",
    "email.smtp.password": "",
    "email.smtp.from_address": "",
    "object_store.assets.endpoint": "http://",
}


@pytest.mark.parametrize("character", CHARACTERS, ids=ascii)
def test_no_character_is_too_many(tmp_path: Path, figures: Section, character: str):
    texts = {key: start + character * (60_000 // len(character)) for key, start in WHERE.items()}
    file = write(tmp_path, {**texts, "services.control_plane_api.auth.trusted_origins": [texts["kv.data_plane.url"]]})
    begun = time.process_time()
    hold(call("plan", "--config", str(file), "-f", "json"))
    assert time.process_time() - begun < 10
    figures.cell("the longest texts", "inputs", str(len(CHARACTERS)))


PROCESSES: dict[str, tuple[list[bytes], dict[bytes, bytes]]] = {
    "arguments that are not UTF-8": ([b"config", b"\xff\xfe", b"\x1b[31m\n"], {}),
    "a file's name that is not UTF-8": ([b"config", b"--config", b"\xff\n.toml"], {}),
    "a report's name that is not UTF-8": ([b"config", b"-f", b"json=/no/\xff"], {}),
    "a variable that is not UTF-8": ([b"config"], {b"MISTLE_EMAIL_SMTP_FROM_NAME": b"\xff\xed\xa0\x80"}),
    "a variable's name that is not UTF-8": ([b"plan"], {b"MISTLE_EMAIL_SMTP_PORT\xff": b"1", b"\xff": b"\xff"}),
    "certificates that are not UTF-8": ([b"config"], {b"NODE_EXTRA_CA_CERTS": b"/\xff\x1b[31m\n"}),
    "the longest variable": ([b"plan"], {b"MISTLE_KV_DATA_PLANE_URL": b"redis://" + b"a" * 131_000}),
    "the longest argument": ([b"--only", b"*[" * 65_000], {}),
    "arguments that are empty": ([b"", b"--only=", b"--config="], {}),
}


@pytest.mark.parametrize("case", PROCESSES)
def test_process_prints_what_the_function_prints(case: str):
    given, environ = PROCESSES[case]
    given = [*given, b"-f", b"json"]
    environ = {b"MISTLE_CONFIG_PATH": os.fsencode(ROOT / "examples/mistle.toml"), **environ}
    done = subprocess.run(
        [sys.executable, "-m", "preflight.cli.main", *given], env=CLEAN | environ, capture_output=True, check=False
    )
    process = Ended(done.returncode, done.stdout.decode(), done.stderr.decode())
    function = call(*arguments(given), environ=environ)
    assert without_times(hold(process)) == without_times(hold(function))
    assert (process.code, process.stderr) == (function.code, function.stderr)


def without_times(document: object) -> object:
    match document:
        case dict():
            timed = ("seconds", "started_at")
            return {name: without_times(part) for name, part in document.items() if name not in timed}
        case list():
            return [without_times(part) for part in document]
    return document
