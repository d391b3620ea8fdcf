"""One hostile server beside healthy ones.

The whole line is run on a deployment in which one server after the other is hostile, in one way of each class: it says
what no such server says, speaks another protocol, a little that means a lot, or without end; it falls silent, or cuts
the connection. Whatever it does, the other checks end as they do without it, and nothing that it does is a bug.
"""

import json
import socket
from collections.abc import Callable, Iterator, Mapping

import pytest

from preflight.report.model import Report
from tests.harness import answers, faults, floods, in_process, profiles
from tests.harness.faults import Behaviour
from tests.harness.figures import Section
from tests.harness.floods import Flood, Script
from tests.harness.in_process import FAMILIES, IN_ADDRESSES, RIGHT, SECRET_KEYS, TOKEN, Stage
from tests.testbed import Authority

PATIENCE = {"falls silent": 5.0, "speaks another protocol": 5.0}  # seconds: all of it may be waited for
OWN = {
    "postgres": "postgres.",
    "valkey": "kv.",
    "store": "object_store.",
    "smtp": "email.",
    "docker": "sandbox.docker",
    "e2b": "sandbox.e2b",
    "archil": "sandbox.storage.archil",
    "google": "services.control_plane_api.auth",
    "control": "services.control_plane_api.internal",
    "public": "services.control_plane_api.public",
    "data": "services.data_plane_api.",
    "gateway": "services.data_plane_gateway.internal",
    "dashboard": "services.dashboard",
    "tunnel": "services.data_plane_gateway.sandbox_ws",
    "otlp": "telemetry.",
}
"""By family, how the names begin of the checks that talk to it."""


def _http(reply: Callable[[], floods.Blocks]) -> Behaviour:
    return Flood(floods.http(reply))


def _by_family(http: Behaviour, **others: Script) -> Mapping[str, Behaviour]:
    return dict.fromkeys(FAMILIES, http) | {family: Flood(script) for family, script in others.items()}


def _reset(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Le")
    faults.reset(connection)


def _after(words: bytes) -> Script:
    return floods.after(65536, lambda: iter([words]))


_NO_ADDRESS = answers.always(answers.reply("302 Found", headers="Location: http://["))
_CODES = answers.reply("403 Forbidden", "<Error><Code><a/><a/></Code></Error>", "Content-Type: application/xml")
_NO_TEXT = floods.message(b"E", b"SERROR\0C\xff\xfe\0M\xff no\0\0")
HOSTILE: Mapping[str, Mapping[str, Behaviour]] = {
    "says what none says": {
        **_by_family(
            _NO_ADDRESS,
            valkey=_after(b"+OK\r\n" + floods.WRITTEN + b":1\r\n"),
            postgres=floods.at_query(lambda: iter([_NO_TEXT + floods.READY])),
            smtp=floods.smtp(auth=lambda: iter([b"334 \xff\r\n"]), mail=lambda: iter([b"-1 \xff\r\n"])),
        ),
        "store": answers.always(_CODES),
        "docker": answers.always(answers.reply("200 OK", "null")),
    },
    "speaks another protocol": dict.fromkeys(FAMILIES, lambda connection: faults.say(connection, faults.GARBAGE)),
    "a little means a lot": _by_family(
        _http(floods.HTTP["arrays in arrays"]),
        store=floods.http(floods.S3["30,000 attributes of 120 KB, by default"]),
        valkey=floods.after(65536, floods.RESP["arrays in arrays"]),
        postgres=floods.POSTGRES["parameters without end"],
        smtp=floods.SMTP["EHLO answered without end"],
    ),
    "speaks without end": _by_family(
        _http(floods.HTTP["a body without end"]),
        valkey=floods.after(65536, floods.RESP["a report of many lines"]),
        postgres=floods.POSTGRES["rows without end"],
        smtp=floods.SMTP["a greeting of lines without end"],
    ),
    "falls silent": dict.fromkeys(FAMILIES, faults.read_on),
    "cuts the connection": dict.fromkeys(FAMILIES, _reset),
}
CASES = [(way, [*OWN][(number + place) % len(OWN)]) for number in range(len(OWN)) for place, way in enumerate(HOSTILE)]
SECRETS = {path: f"{path}-9f86d081884c7d65" for path in (*SECRET_KEYS, *IN_ADDRESSES)}


@pytest.fixture(scope="module")
def stage(authority: Authority) -> Iterator[Stage]:
    with in_process.stage(authority) as here:
        here.play(RIGHT, lambda *_: "", SECRETS[TOKEN])
        yield here


@pytest.fixture(scope="module")
def told(stage: Stage) -> Mapping[str, object]:
    return in_process.values(stage, SECRETS)


@pytest.fixture(scope="module")
def usual(stage: Stage, told: Mapping[str, object]) -> Mapping[str, object]:
    in_process.run(stage, told, timeout=20)  # imports take their time
    return verdicts(in_process.run(stage, told, timeout=20).report)


def verdicts(report: Report) -> dict[str, object]:
    """What is known of each check, but for the times that it took."""
    return {
        result.name: (result.status, result.keys, [(finding.id, finding.status) for finding in result.findings])
        for result in report.results
    }


@pytest.mark.parametrize(("way", "family"), profiles.first(len(HOSTILE), CASES))
def test_one_hostile_server_changes_no_other_verdict(
    way: str,
    family: str,
    stage: Stage,
    told: Mapping[str, object],
    usual: Mapping[str, object],
    figures: Section,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stage, "hostile", {family: HOSTILE[way][family]})
    for _ in range(2):  # a machine that stands still for seconds, which is no server's doing, does so once
        printed = in_process.run(stage, told, timeout=PATIENCE.get(way, 20.0))
        found = verdicts(printed.report)
        changed = {name for name in usual | found if usual.get(name) != found.get(name)}
        if not (others := {name for name in changed if not name.startswith(OWN[family])}):
            break
    figures.cell(family, way, ", ".join(others) or "nothing else changes")
    assert not others, {name: (usual.get(name), found.get(name)) for name in others}
    assert changed, printed.report
    assert printed.report.exit_code == 1, printed.texts["tracebacks", "-v"]
    json.loads(printed.texts["json", ""], parse_constant=pytest.fail)


def test_every_family_is_attacked_in_every_way():
    assert set(OWN) == set(FAMILIES)
    assert all(set(by_family) == set(FAMILIES) for by_family in HOSTILE.values())
    assert len(set(CASES)) == len(HOSTILE) * len(FAMILIES)
