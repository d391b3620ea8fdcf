"""One hostile server beside healthy ones.

A complete run in which one server after the other is hostile, in one way of each class: it sends what no such server
sends, another protocol, a little that expands to a lot, or a reply without end; it stops replying, or cuts the
connection. The other checks must end as they do without it, and nothing that it does is a bug.
"""

import json
import socket
from collections.abc import Mapping

import pytest

from preflight.report.model import Report
from tests.harness import answers, faults, floods, in_process, profiles
from tests.harness.descriptors import FAMILIES
from tests.harness.faults import Behaviour
from tests.harness.figures import Section
from tests.harness.floods import Flood
from tests.harness.in_process import IN_ADDRESSES, RIGHT, SECRET_KEYS, TOKEN, Stage

PATIENCE = {"stops replying": 2.0, "sends another protocol": 2.0}  # seconds: the hostile server's check waits for all
LIMIT = 50.0
"""Seconds for a check of a healthy server: its steps have shares of it, and a busy machine may take seconds for one."""


def _reset(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Le")
    faults.reset(connection)


# The replies of a server over HTTP. Servers of other protocols, and servers that differ, have theirs in the descriptor.
OVER_HTTP: Mapping[str, Behaviour] = {
    "sends what none sends": answers.always(answers.reply("302 Found", headers="Location: http://[")),
    "a little expands to a lot": Flood(floods.OVER_HTTP["arrays in arrays"]),
    "sends without end": Flood(floods.OVER_HTTP["a body without end"]),
}
ANY: Mapping[str, Behaviour] = {
    "sends another protocol": lambda connection: faults.send(connection, faults.GARBAGE),
    "stops replying": faults.read_on,
    "cuts the connection": _reset,
}
WAYS = (*OVER_HTTP, *ANY)
NAMES = [*FAMILIES]


def hostile(way: str, name: str) -> Behaviour:
    family = FAMILIES[name]
    behaviours = {**ANY, **(OVER_HTTP if family.path is not None else {}), **family.hostile}
    assert way in behaviours, f"add `hostile[{way!r}]` to the family {name!r} in its kind's DESCRIPTOR"
    return behaviours[way]


CASES = [(way, NAMES[(number + shift) % len(NAMES)]) for number in range(len(NAMES)) for shift, way in enumerate(WAYS)]
SECRETS = {path: f"{path}-9f86d081884c7d65" for path in (*SECRET_KEYS, *IN_ADDRESSES)}


@pytest.fixture(scope="module")
def stage(stage: Stage) -> Stage:
    stage.play(RIGHT, lambda *_: "", SECRETS[TOKEN])
    return stage


@pytest.fixture(scope="module")
def configuration(stage: Stage) -> Mapping[str, object]:
    return in_process.values(stage, SECRETS)


@pytest.fixture(scope="module")
def expected(stage: Stage, configuration: Mapping[str, object]) -> Mapping[str, object]:
    return verdicts(in_process.run(stage, configuration, timeout=LIMIT).report)


def verdicts(report: Report) -> dict[str, object]:
    """The verdict of each check, without its times, and without what says that this machine is busy."""
    return {
        result.name: (
            result.keys,
            [(finding.id, finding.status) for finding in result.findings if finding.id != "run.starved"],
        )
        for result in report.results
    }


@pytest.mark.parametrize(("way", "family"), profiles.first(len(WAYS), CASES))
def test_hostile_server_changes_no_other_verdict(
    way: str,
    family: str,
    stage: Stage,
    configuration: Mapping[str, object],
    expected: Mapping[str, object],
    figures: Section,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stage, "hostile", {family: hostile(way, family)})
    with in_process.short_limit(FAMILIES[family].checks, PATIENCE.get(way, 20.0)):
        printed = in_process.run(stage, configuration, timeout=LIMIT)
    actual = verdicts(printed.report)
    changed = {name for name in expected | actual if expected.get(name) != actual.get(name)}
    others = {name for name in changed - {FAMILIES[family].also} if not name.startswith(FAMILIES[family].checks)}
    figures.cell(family, way, ", ".join(others) or "nothing else changes")
    assert not others, {name: (expected.get(name), actual.get(name)) for name in others}
    assert changed, f"nothing changes: without a scene, {family!r} must be healthy (families in its DESCRIPTOR)"
    assert printed.report.exit_code == 1, printed.texts["tracebacks", "-v"]
    json.loads(printed.texts["json", ""], parse_constant=pytest.fail)


def test_every_family_is_attacked_in_every_way():
    assert all(hostile(way, name) for way, name in CASES)
    assert len(set(CASES)) == len(WAYS) * len(FAMILIES)
