"""What each format shows of one report."""

# ruff: noqa: RUF001 - the mark of what was skipped is a dash

import json
import re
from dataclasses import replace

import pytest
from jsonschema import Draft202012Validator, ValidationError

from preflight.formats import FORMATS, renderer
from preflight.formats.shared.ansi import ASCII
from tests.harness.command import SCHEMA
from tests.harness.reports import EVICTS, REPORT, URL


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def shown(**changes: object) -> str:
    return plain(renderer("text")(replace(REPORT, **changes)))  # type: ignore[arg-type]


TEXT = """\
mistle-preflight 1.2.3 · live · /etc/mistle/mistle.toml

config
  ✓ config                         /etc/mistle/mistle.toml     20.0 ms

postgres
  ✗ postgres.control_plane.direct  db:5432/mistle              20.0 ms  postgres.password-rejected
  – postgres.control_plane.pooled                               0.0 ms  not checked: the URL cannot be used

valkey
  ! kv.data_plane                  kv:6379                     12.5 s   valkey.evicts-keys

[global]
  ✓ global.env  validated  MISTLE_ENV

[postgres]
  ✗ postgres.control_plane.direct_url  probed     mistle.toml:42
  – postgres.control_plane.pooled_url  validated  not set

[kv]
  ! kv.data_plane.key_prefix  probed     default

warnings
  ! valkey.evicts-keys  (kv.data_plane, fitness)
      kv.data_plane.key_prefix  default
      policy is allkeys-lru
      # on kv:6379
      $ valkey-cli CONFIG SET maxmemory-policy noeviction

failures
  ✗ postgres.password-rejected  (postgres.control_plane.direct, auth)
      postgres.control_plane.direct_url  mistle.toml:42
      the server refused the password
      → correct the password in postgres.control_plane.direct_url (mistle.toml:42)

NOT READY · checks: 1 failed, 1 warned, 1 skipped, 1 ok · keys: 1 failed, 1 warned, 1 skipped, 1 ok · 0.81 s
"""


def test_text_ends_with_the_failures():
    assert shown() == TEXT


def test_each_kind_and_each_section_has_one_heading():
    """Also if skipped checks come after all others, and a report has keys that others do not have."""
    results = (*REPORT.results, replace(REPORT.results[2], name="postgres.data_plane.direct"))
    keys = (*REPORT.keys, replace(REPORT.keys[1], key="postgres.data_plane.direct_url"))
    lines = renderer("text")(replace(REPORT, results=results, keys=keys)).splitlines()
    headings = [line for line in lines if re.fullmatch(r"\x1b\[1m\[?\w+\]?\x1b\[0m", line)]
    assert len(headings) == len(set(headings))
    assert {"\x1b[1mpostgres\x1b[0m", "\x1b[1m[postgres]\x1b[0m"} <= {*headings}


def test_quiet_text_is_the_failures_and_the_verdict():
    failures, _, verdict = TEXT[TEXT.index("failures\n") :].rpartition("\n\n")
    unsaid = "warnings: valkey.evicts-keys (without -q: in full)"
    assert shown(detail=-1) == f"{failures}\n\n{unsaid}\n\n{verdict}"


def test_quiet_text_of_a_ready_run_is_one_line():
    assert shown(detail=-1, results=REPORT.results[:1], keys=REPORT.keys[:1]) == (
        "READY · checks: 1 ok · keys: 1 ok · 0.81 s\n"
    )


def test_verbose_text_has_every_layer_with_its_time():
    lines = [" ".join(line.split()) for line in shown(detail=1).splitlines()]
    assert "for postgres.control_plane.direct_url" in lines
    assert "✓ dns 1.2 ms db resolves" in lines
    assert "– access not reached" in lines


def test_verbose_text_has_the_round_trip():
    first = replace(REPORT.results[0], facts={"rtt_ms": 81.254})
    lines = [" ".join(line.split()) for line in shown(detail=1, results=(first, *REPORT.results[1:])).splitlines()]
    assert any(line.endswith("round trip 81.25 ms") for line in lines)


@pytest.mark.parametrize("command", ["config", "plan"])
def test_offline_verdict_is_not_ready_or_not_ready(command: str):
    text = shown(command=command, results=REPORT.results[:1])
    assert "READY" not in text
    assert "VALID, nothing was probed" in text


@pytest.mark.parametrize("name", ["text", "markdown", "html"])
def test_the_configuration_alone_has_no_stage(name: str):
    text = plain(renderer(name)(replace(REPORT, command="config", keys=())))
    assert "live" not in text.partition("<style>")[0] + text.rpartition("</style>")[2].partition("<script")[0]


@pytest.mark.parametrize("name", ["text", "markdown", "github"])
def test_of_many_keys_that_are_not_set_the_first_are_listed(name: str):
    gathered = replace(EVICTS, fields=tuple(f"email.smtp.key{number}" for number in range(60)))
    text = plain(renderer(name)(replace(REPORT, results=(replace(REPORT.results[0], findings=(gathered,)),))))
    assert "email.smtp.key4" in text
    assert "email.smtp.key5" not in text
    assert "and 55 more keys" in text


def test_ignored_finding_is_marked():
    assert "  ! valkey.evicts-keys  (kv.data_plane, fitness, ignored)\n" in shown(ignored=frozenset({EVICTS.id}))


def test_interrupted_text_is_marked():
    assert "NOT READY · interrupted · " in shown(signal=2)


def test_text_has_marks_for_every_encoding():
    assert shown().translate(ASCII).isascii()


def test_text_colours_whole_lines_and_nothing_else():
    text = renderer("text")(REPORT)
    assert "\x1b[31m✗ postgres.control_plane.direct " in text
    assert text.count("\x1b[0m") == len(re.findall(r"\x1b\[[1-9]", text))


def test_json_is_version_1():
    document = json.loads(renderer("json")(REPORT))
    SCHEMA.validate(document)
    assert document | {"checks": [], "keys": [], "incidents": []} == {
        "schema": "mistle-preflight/1",
        "version": "1.2.3",
        "ready": False,
        "stage": "live",
        "service": None,
        "started_at": "2026-11-23T10:00:00Z",
        "seconds": 0.81,
        "counts": {
            "checks": {"ok": 1, "skip": 1, "warn": 1, "fail": 1},
            "keys": {"ok": 1, "skip": 1, "warn": 1, "fail": 1},
        },
        "checks": [],
        "keys": [],
        "incidents": [],
    }
    assert document["incidents"][0] == {
        "root_cause": {
            "id": "postgres.password-rejected",
            "keys": [URL],
            "checks": ["postgres.control_plane.direct"],
        },
        "certainty": "certain",
        "status": "fail",
        "why": "the server refused the password",
        "hint": f"correct the password in {URL} (mistle.toml:42)",
        "remedies": [],
        "consequences": [],
    }
    assert document["checks"][1] | {"findings": []} == {
        "name": "postgres.control_plane.direct",
        "kind": "postgres",
        "target": "db:5432/mistle",
        "status": "fail",
        "seconds": 0.02,
        "keys": [URL],
        "services": ["control_plane_api", "control_plane_migrations"],
        "facts": {"version": 170002, "pooled": False},
        "findings": [],
    }
    assert document["checks"][1]["findings"][1] == {
        "id": "postgres.password-rejected",
        "layer": "auth",
        "status": "fail",
        "message": "the server refused the password",
        "hint": f"correct the password in {URL} (mistle.toml:42)",
        "keys": [URL],
        "seconds": 0.0101,
    }
    assert document["keys"][1] == {
        "key": URL,
        "status": "fail",
        "evidence": "probed",
        "origin": "mistle.toml:42",
        "findings": ["postgres.password-rejected"],
        "checks": ["postgres.control_plane.direct"],
    }


ADDED = {"services", "facts", "incidents"}  # later than the first documents of version 1, which stay valid


def test_schema_is_valid():
    Draft202012Validator.check_schema(SCHEMA.schema)


@pytest.mark.parametrize(
    "where",
    [(), ("counts",), ("counts", "keys"), ("checks", 0), ("checks", 1), ("checks", 1, "findings", 0), ("keys", 0)],
)
def test_schema_requires_every_member_and_admits_new_ones(where: tuple[str | int, ...]):
    def part(document):
        for step in where:
            document = document[step]
        return document

    for member in part(json.loads(renderer("json")(REPORT))).keys() - ADDED:
        document = json.loads(renderer("json")(REPORT))
        del part(document)[member]
        with pytest.raises(ValidationError):
            SCHEMA.validate(document)
    part(document := json.loads(renderer("json")(REPORT)))["added_later"] = 1
    SCHEMA.validate(document)


@pytest.mark.parametrize("name", FORMATS)
def test_format_ends_with_one_newline(name: str):
    text = renderer(name)(REPORT)
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
