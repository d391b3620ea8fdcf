"""The tests that a run selects, and what a run leaves for the next."""

import subprocess
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import pytest
from docker.models.containers import Container
from testcontainers.core.container import DockerContainer

from tests.harness import profiles
from tests.testbed import runs
from tests.testbed.orphans import KEPT, OWNER, labelled, remove, remove_orphans

HOLD = "from tests.testbed import runs; held = runs.take({number}); print('held', flush=True); input()"
NUMBERS = tuple(10_000 + 10 * runs.current().number + each for each in range(3))
"""A number that no run of the suite reaches, nor these tests in another run."""


@pytest.fixture
def held() -> Iterator[runs.Run]:
    """A run of another process, which has not ended."""
    command = [sys.executable, "-c", HOLD.format(number=NUMBERS[0])]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"held\n"
        yield runs.Run(NUMBERS[0])
        process.kill()


def test_number_is_taken_by_one_process_at_a_time(held: runs.Run) -> None:
    assert runs.take(held.number) is None
    lock = runs.take(NUMBERS[1])
    assert lock
    assert runs.take(NUMBERS[1]) is None
    lock.release()


def left_by(owner: str, **labels: str) -> Container:
    """A container that a run has created and not removed."""
    made = DockerContainer(f"{OWNER}/valkey", labels={OWNER: owner, **labels}).start()
    return made.get_wrapped_container()


def test_containers_of_ended_runs_are_removed(held: runs.Run) -> None:
    over, run = runs.Run(NUMBERS[1]), runs.Run(NUMBERS[2])
    over.folder.mkdir(parents=True, exist_ok=True)
    stay = [left_by(held.owner), left_by(over.owner, **{KEPT: "valkey"}), left_by(f"another/{over.number}")]
    go = [left_by(over.owner), left_by(run.owner)]
    try:
        remove_orphans(run)
        existing = {container.id for container in labelled(OWNER)}
        assert existing.isdisjoint(container.id for container in go)
        assert existing.issuperset(container.id for container in stay)
    finally:
        remove((*stay, *go))


def test_few_combinations_hold_every_value() -> None:
    items = [SimpleNamespace(callspec=SimpleNamespace(params={"a": a, "b": b})) for a, b in product("abcdef", range(4))]
    rest = {id(item) for item in profiles._superfluous(items)}
    chosen = [item.callspec.params for item in items if id(item) not in rest]
    assert {each["a"] for each in chosen} == set("abcdef")
    assert {each["b"] for each in chosen} == set(range(4))
    assert len(chosen) < len(items) / 2
