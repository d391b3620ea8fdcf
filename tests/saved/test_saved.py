"""How saved reports are read: an invalid file gives one clear line, and the content of a report is not trusted."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import ValidationError

from preflight.saved.reader import SavedReportError, read
from tests.harness.command import SCHEMA
from tests.harness.kept_reports import kept_refused


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return kept_refused(tmp_path, "saved")


def test_everything_is_read_back(saved: Path) -> None:
    document, report = json.loads(saved.read_text()), read(saved)
    assert (report.name, report.ready, report.stage, report.service) == ("saved.json", False, "live", None)
    assert [result.name for result in report.results] == [check["name"] for check in document["checks"]]
    assert [str(verdict.status) for verdict in report.keys] == [key["status"] for key in document["keys"]]
    assert [finding.id for finding in report.results[1].findings if finding.hint] == ["network.refused"]


def test_report_of_a_version_without_facts_and_services(saved: Path) -> None:
    document = json.loads(saved.read_text())
    for check in document["checks"]:
        del check["facts"], check["services"]
    saved.write_text(json.dumps(document))
    assert read(saved).results[1].facts == {}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is not JSON"),
        (b"not json", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[]", 'is not of type "object"'),
        (b"{}", "is a required property"),
        (b'{"schema": "mistle-preflight/2"}', "is not a report of mistle-preflight (--format json)"),
        (b'{"schema": "\x1b[31m"}', "is not"),
    ],
)
def test_invalid_file_gives_one_clear_line(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "other.json"
    file.write_bytes(content)
    with pytest.raises(SavedReportError, match=r"other\.json") as raised:
        read(file)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "\x1b" not in str(raised.value)


def test_invalid_member_is_named(saved: Path) -> None:
    document = json.loads(saved.read_text())
    document["checks"][1]["findings"][0]["layer"] = "roof"
    saved.write_text(json.dumps(document))
    with pytest.raises(SavedReportError, match=r"checks\[1\]\.findings\[0\]\.layer"):
        read(saved)


@pytest.mark.parametrize("place", ["/nowhere/at/all.json", "/", "/dev/zero", "a\0b"])
def test_unreadable_file(place: str) -> None:
    with pytest.raises(SavedReportError):
        read(Path(place))


def test_texts_of_a_report_are_cleaned(saved: Path) -> None:
    document = json.loads(saved.read_text())
    document["checks"][1]["findings"][0]["message"] = "\x1b]52;c;aGk=\x07 \u202eevil\n::error::x"
    saved.write_text(json.dumps(document))
    message = read(saved).results[1].findings[0].message
    assert message == "evil ::error::x"


def test_cli_reports_the_error_and_exits_with_2(tmp_path: Path) -> None:
    (tmp_path / "no.json").write_text("{}")
    command = [
        sys.executable,
        "-m",
        "preflight.cli.main",
        "diff",
        str(tmp_path / "no.json"),
        str(tmp_path / "gone.json"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=dict(os.environ))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("mistle-preflight: ")
    assert done.stderr.count("\n") == 1


NUMBERS = ("1e999", "-1e999", "NaN", "Infinity", "1e300", "1" * 400, "-1")


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("place", ["run", "check", "finding"])
def test_invalid_number_of_seconds(saved: Path, place: str, number: str) -> None:
    document = json.loads(saved.read_text())
    where = {"run": document, "check": document["checks"][1], "finding": document["checks"][1]["findings"][0]}
    where[place]["seconds"] = "HERE"
    saved.write_text(json.dumps(document).replace('"HERE"', number))
    with pytest.raises(SavedReportError):
        read(saved)


@pytest.mark.parametrize("number", ["1e999", "NaN"])
def test_fact_that_json_does_not_allow(saved: Path, number: str) -> None:
    document = json.loads(saved.read_text())
    document["checks"][1]["facts"] = {"here": "HERE"}
    saved.write_text(json.dumps(document).replace('"HERE"', number))
    with pytest.raises(SavedReportError, match="is not JSON"):
        read(saved)


def test_facts_keep_their_types(saved: Path) -> None:
    document, facts = json.loads(saved.read_text()), {"a": None, "b": True, "c": 1, "d": 0.5, "e": "\x1b[1m"}
    document["checks"][1]["facts"] = facts | {"f": 10**300}
    saved.write_text(json.dumps(document))
    assert read(saved).results[1].facts == facts | {"e": "", "f": str(10**300)}


def _with(member: str, value: str) -> Callable[[dict[str, Any]], object]:
    def change(document: dict[str, Any]) -> None:
        places = {"started_at": document, "kind": document["checks"][1], "id": document["checks"][1]["findings"][0]}
        places[member][member] = value

    return change


WRONG = {
    "date": _with("started_at", "2026-01-01T00:00:00Z\n"),
    "date in other digits": _with("started_at", "٢٠٢٦-01-01T00:00:00Z"),
    "kind": _with("kind", "valkey\n"),
    "id": _with("id", "network.refused\n"),
}


@pytest.mark.parametrize("case", WRONG)
def test_patterns_match_to_the_end_of_the_text(saved: Path, case: str) -> None:
    """In Python ``$`` matches before a line break, in JavaScript it does not."""
    document = json.loads(saved.read_text())
    SCHEMA.validate(document)
    WRONG[case](document)
    with pytest.raises(ValidationError):
        SCHEMA.validate(document)
    saved.write_text(json.dumps(document))
    with pytest.raises(SavedReportError):
        read(saved)
