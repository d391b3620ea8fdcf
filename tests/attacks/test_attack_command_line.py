"""Hostile command lines.

A command line holds flags, arguments and values in any order and any bytes: doubled, split, joined, empty, very long,
not UTF-8, with numbers that no clock can count and files that cannot exist. The command ends with 0, 1 or 2. With 2 it
prints one line for each reason, and with `--format json` its document as well. `run` is in a network of its own, where
no server replies.
"""

from pathlib import Path

import pytest
from hypothesis import given, settings

from tests.fuzz.call import arguments, block, call
from tests.fuzz.commands import command_lines
from tests.fuzz.contract import hold, hold_streams
from tests.fuzz.tally import Tally
from tests.harness.configs import write
from tests.harness.figures import Section
from tests.harness.networks import can_have_own_network, in_own_network

ROOT = Path(__file__).parents[2]
HERE = {"sandbox.docker.socket_path": "/no/such/socket"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, where reports that are asked for may be written."""
    write(tmp_path, HERE).rename(tmp_path / "right.toml")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.skipif(not can_have_own_network(), reason="a network of its own needs root on Linux")
def test_command_line_of_any_text(folder: Path, figures: Section):
    tally = Tally()

    @settings(max_examples=2 * settings().max_examples, deadline=None)
    @given(command_lines())
    def holds(given: list[bytes]) -> None:
        ended = tally.note(call(*arguments(given), environ=block({"MISTLE_CONFIG_PATH": "right.toml"})))
        if '"schema": "mistle-preflight/1"' in ended.stdout:
            hold(ended)
        else:
            hold_streams(ended)

    in_own_network("192.0.2.1", holds)
    tally.write(figures, "command lines")
