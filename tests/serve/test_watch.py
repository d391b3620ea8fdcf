"""`mistle-preflight watch` as a process."""

import re
import signal
from pathlib import Path

import pytest

from preflight.cli.main import main
from tests.harness import profiles
from tests.harness.command import Command
from tests.harness.configs import write
from tests.harness.serving import Served, end, own_valkey

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ  "


def test_only_what_changed_is_printed(tmp_path: Path) -> None:
    """A run that changes nothing prints nothing; the first change ends it, with that run's exit code."""
    with own_valkey() as valkey:
        config = str(write(tmp_path, {"kv.data_plane.url": valkey.url}))
        file = tmp_path / "last.json"
        command = Command("watch", "--config", config, "--only=kv*", "--exit-on-change", f"--format=json={file}")
        watching = Served(command, "")
        try:
            assert re.fullmatch(TIME + "✓ READY      exit code 0\n", watching.line())
            file.unlink()
            watching.run_now()
            while not file.exists():
                assert command.process.poll() is None
            valkey.stop()
            watching.run_now()
            ended = command.end()
        finally:
            end(command)
    assert (ended.code, ended.stderr) == (1, b"")
    first, second, third = ended.stdout.decode().splitlines()
    assert re.fullmatch(TIME + "✗ NOT READY  exit code 1, was 0", first)
    assert re.fullmatch(TIME + r"✗ new        network\.refused \(kv\.data_plane\.url\): .* refused .*", second)
    assert re.fullmatch(TIME + r". unproven   kv\.data_plane\.key_prefix", third)


@profiles.long
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_watch(tmp_path: Path, number: signal.Signals) -> None:
    config = str(write(tmp_path, {"kv.data_plane.url": "redis://127.0.0.1:1"}))
    command = Command("watch", "--config", config, "--only=kv*")
    try:
        Served(command, "").lines_until("new")
        command.signal(number)
        ended = command.end()
    finally:
        end(command)
    assert (ended.code, ended.stdout, ended.stderr) == (128 + number, b"", b"")


@profiles.long
def test_watch_with_standard_output_closed(tmp_path: Path) -> None:
    config = str(write(tmp_path, {"kv.data_plane.url": "redis://127.0.0.1:1"}))
    command = Command("watch", "--config", config, "--only=kv*")
    assert command.process.stdout
    command.process.stdout.close()
    command.process.stdout = None
    ended = command.end()
    assert ended.code == 2
    assert b"standard output cannot be written to: Broken pipe" in ended.stderr


def test_flag_of_serve_is_a_usage_error(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", "--listen", "127.0.0.1:1"]) == 2
    assert "--listen is a flag of the command serve" in capfd.readouterr().err
