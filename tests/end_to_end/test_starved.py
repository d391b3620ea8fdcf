"""A process with too little of the processor says so, and blames no server for its own delay."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from preflight.demo.client import running
from preflight.run.signals import Signals
from tests.harness import configs, profiles
from tests.harness.command import Command, Ended
from tests.harness.quotas import can_limit, quota
from tests.testbed import Valkey

pytestmark = pytest.mark.skipif(not can_limit(), reason="needs root and cgroups, to limit a process")

LONG_ENOUGH = "600"  # seconds


def limited(share: float, config: Path, *arguments: str) -> Ended:
    with quota(share) as limit:
        command = Command("--config", str(config), "--format", "json", *arguments, preexec_fn=limit)
        return command.end(limit=float(LONG_ENOUGH))


def problems(ended: Ended) -> set[tuple[str, str, str]]:
    return {
        (check["name"], finding["id"], finding["status"])
        for check in ended.document["checks"]
        for finding in check["findings"]
        if finding["status"] in {"warn", "fail"} or finding["id"].startswith("run.")
    }


def statuses(ended: Ended) -> set[str]:
    """Of the keys that have a check."""
    return {verdict["status"] for verdict in ended.document["keys"] if verdict["checks"]}


@pytest.fixture
def config(tmp_path: Path, valkey: Valkey) -> Path:
    return configs.write(tmp_path, {"kv.data_plane.url": valkey.url()})


def test_healthy_server_is_not_blamed(config: Path) -> None:
    ended = limited(0.03, config, "--only", "valkey", "--deadline", LONG_ENOUGH)
    assert ended.code == 0
    assert problems(ended) == {("config", "run.starved", "warn")}
    assert statuses(ended) == {"ok"}


@profiles.long
def test_checks_that_it_did_not_end_are_skipped(config: Path) -> None:
    ended = limited(0.02, config, "--only", "valkey", "--deadline", "13")
    assert ended.code == 1
    assert problems(ended) == {("config", "run.starved", "fail"), ("kv.data_plane", "run.starved", "skip")}
    assert statuses(ended) == {"skip"}
    finding = next(each for each in ended.document["checks"][0]["findings"] if each["id"] == "run.starved")
    assert "of a processor core" in finding["message"]
    assert "resources.limits.cpu" in finding["hint"]


@pytest.fixture(scope="module")
def demo() -> Iterator[tuple[str, str]]:
    with running((), Signals(), lambda _line: None) as deployment:
        yield str(deployment.config), str(deployment.ca_file)


@profiles.long
@pytest.mark.parametrize("share", [0.1, 0.05, 0.02])
def test_no_server_of_a_healthy_deployment_is_blamed(demo: tuple[str, str], share: float) -> None:
    config, ca_file = demo
    ended = limited(share, Path(config), "--ca-file", ca_file, "--deadline", LONG_ENOUGH)
    assert ended.code == 0
    # The demo's engine starts no sandbox: it does not matter that its gateway is on loopback.
    about_others = {("config", "run.starved", "warn"), ("config", "config.sandbox-loopback", "warn")}
    assert problems(ended) <= about_others
    assert statuses(ended) <= {"ok", "warn"}
