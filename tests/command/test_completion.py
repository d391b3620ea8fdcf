"""Completion in real shells."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from preflight.cli.completion import SHELLS
from preflight.cli.options import COMMANDS, SCHEMAS
from preflight.demo.faults import FAULTS
from preflight.plan.resources import RESOURCES
from preflight.reference.catalogue import entries
from tests.testbed.shells import Shells, shells

ROOT = Path(__file__).parents[2]
CLEAN = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}


LINES = {
    "mistle-preflight expl": "explain",
    "mistle-preflight --dead": "--deadline",
    "mistle-preflight explain network.ref": "network.refused",
    "mistle-preflight --only postgres.control_plane.d": "postgres.control_plane.direct",
    "mistle-preflight --stage bef": "before-deploy",
    "mistle-preflight --service control_plane_m": "control_plane_migrations",
    "mistle-preflight diff /checkout/READ": "/checkout/README.md",
}


@pytest.fixture(scope="module")
def prompt() -> Iterator[Shells]:
    with shells() as running:
        yield running


@pytest.mark.parametrize("shell", SHELLS)
def test_shell_completes(prompt: Shells, shell: str) -> None:
    for line, answer in zip(LINES, prompt.completed(shell, tuple(LINES)), strict=True):
        assert LINES[line] in answer, (line, answer)


def offered(line: str) -> set[str]:
    """The completions of a line. The shell sends it in variables, and reads file descriptor 8."""
    read, write = os.pipe()
    environ = {"_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": "\n", "COMP_LINE": line, "COMP_POINT": str(len(line))}
    command = f'exec "{sys.executable}" -m preflight.cli.main 8>&{write}'
    subprocess.run(["bash", "-c", command], env=CLEAN | environ, pass_fds=[write], check=False, timeout=30)
    os.close(write)
    with os.fdopen(read) as answer:
        return {word.strip() for word in answer.read().split("\n")} - {""}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("mistle-preflight ", set(COMMANDS)),
        ("mistle-preflight explain ", set(entries())),
        ("mistle-preflight --ignore ", set(entries())),
        ("mistle-preflight --skip ", {name for each in RESOURCES for name in (each.kind, each.name)}),
        ("mistle-preflight completion ", set(SHELLS)),
        ("mistle-preflight --timeout ", set()),
        ("mistle-preflight demo --break ", set(FAULTS)),
        ("mistle-preflight plan ", set()),
        ("mistle-preflight schema ", set(SCHEMAS)),
    ],
)
def test_completions_of_a_line(line: str, expected: set[str]) -> None:
    assert offered(line) == expected


def test_every_flag_is_completed() -> None:
    assert {"--config", "--only", "--deadline", "--format", "--list", "--help"} <= offered("mistle-preflight --")
