"""The report as GitHub's runner reads it: one annotation for each finding, on the line to edit."""

import string
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.core.finding import Finding, Layer, Status
from checks.core.text import clean
from preflight.config.origin import DEFAULT, InFile, InVariable, Origin
from preflight.formats import renderer
from preflight.report.model import KeyVerdict, Report
from tests.harness.format_readers import Command, github
from tests.harness.reports import CONFIG, DIRECT, ENDINGS, EVICTS, REJECTED, REPORT, URL, VALKEY, of

FILE = "/etc/mistle/mistle.toml"


def commands(report: Report) -> list[Command]:
    return github(renderer("github")(report))


def levels(report: Report) -> list[str]:
    return [command.name for command in commands(report)]


def annotated(
    finding: Finding, *keys: tuple[str, Origin | None], belongs: InFile | None = None, file: str | None = FILE
) -> Command:
    """The annotation of one finding that blames these keys, each with its origin."""
    blaming = replace(finding, fields=tuple(key for key, _ in keys))
    verdicts = tuple(KeyVerdict(key, Status.FAIL, "probed", origin, belongs=belongs) for key, origin in keys)
    return commands(of(replace(DIRECT, findings=(blaming,)), keys=verdicts, file=file))[0]


def many(count: int, finding: Finding = REJECTED) -> Report:
    return of(CONFIG, *(replace(DIRECT, name=f"check.{number}", findings=(finding,)) for number in range(count)))


def test_failure_is_an_error_on_the_line_of_its_key():
    assert commands(REPORT)[0] == Command(
        "error",
        {"file": FILE, "line": "42", "title": "postgres.password-rejected (postgres.control_plane.direct)"},
        f"the server refused the password\n{URL} (mistle.toml:42)\n→ correct the password in {URL} (mistle.toml:42)",
    )


def test_warning_of_a_key_from_a_variable_has_no_line():
    assert commands(REPORT)[1] == Command(
        "warning",
        {"title": "valkey.evicts-keys (kv.data_plane)"},
        "policy is allkeys-lru\nkv.data_plane.key_prefix (default)\n# on kv:6379\n"
        "$ valkey-cli CONFIG SET maxmemory-policy noeviction",
    )


def test_verdict_is_last_and_is_the_only_notice():
    assert levels(REPORT) == ["error", "warning", "notice"]
    assert commands(REPORT)[-1].data.startswith("NOT READY · checks: 1 failed, 1 warned, 1 skipped, 1 ok · ")
    assert levels(ENDINGS["ready"]) == ["notice"]
    assert commands(ENDINGS["ready"])[-1].data.startswith("READY · ")


@pytest.mark.parametrize("ending", ENDINGS)
def test_errors_if_and_only_if_the_run_is_not_ready(ending: str):
    assert ("error" in levels(ENDINGS[ending])) is not ENDINGS[ending].ready


def test_interruption_without_a_failure_is_an_error():
    assert [command.name for command in commands(ENDINGS["interrupted"])] == ["error"]
    assert commands(ENDINGS["interrupted"])[0].data.startswith("NOT READY · interrupted · ")


@pytest.mark.parametrize(
    ("ending", "level"), [("warned", "warning"), ("warned, strict", "error"), ("ignored", "warning")]
)
def test_level_follows_the_exit_code(ending: str, level: str):
    assert levels(ENDINGS[ending]) == [level, "notice"]


def test_key_of_a_variable_has_no_file():
    assert annotated(REJECTED, (URL, InVariable("MISTLE_A_B"))).properties.keys() == {"title"}


def test_first_key_that_stands_in_the_file_is_annotated():
    first, second = InFile("mistle.toml", 7), InFile("mistle.toml", 9)
    found = annotated(REJECTED, ("a.b", InVariable("MISTLE_A_B")), ("c.d", DEFAULT), (URL, first), ("e.f", second))
    assert (found.properties["file"], found.properties["line"]) == (FILE, "7")


def test_missing_key_is_annotated_on_the_line_of_its_section():
    missing = Finding("config.missing", Layer.CONFIG, Status.FAIL, "is missing", "set a.b in mistle.toml:12")
    found = annotated(missing, ("a.b", None), belongs=InFile("mistle.toml", 12))
    assert found.properties["line"] == "12"
    found = annotated(missing, ("a.b", None), belongs=InFile("mistle.toml"))
    assert found.properties == {"file": FILE, "title": f"config.missing ({DIRECT.name})"}


def test_invalid_toml_is_annotated_on_the_line_of_the_error():
    (error, _) = commands(ENDINGS["unreadable"])
    assert error.properties == {"file": FILE, "line": "7", "title": "config.unreadable (config)"}


def test_without_a_file_nothing_has_a_place():
    assert annotated(REJECTED, (URL, InFile("mistle.toml", 42)), file=None).properties.keys() == {"title"}
    assert commands(ENDINGS["misuse"])[0].properties.keys() == {"title"}


@pytest.mark.parametrize("file", ["deploy/mistle.toml", "../outside/mistle.toml", "/srv/a b/100%,1:2/mistle.toml"])
def test_any_path_comes_out_as_it_is(file: str):
    found = annotated(REJECTED, (URL, InFile("mistle.toml", 42)), file=file)
    assert (found.properties["file"], found.properties["line"]) == (file, "42")


@pytest.mark.parametrize(("finding", "level"), [(REJECTED, "error"), (EVICTS, "warning")])
def test_ten_annotations_of_a_level_are_all_shown(finding: Finding, level: str):
    assert levels(many(10, finding)) == [level] * 10 + ["notice"]
    assert not [command for command in commands(many(10, finding)) if "more" in command.data]


@pytest.mark.parametrize(("finding", "level"), [(REJECTED, "error"), (EVICTS, "warning")])
def test_tenth_of_more_annotations_gives_their_number_and_the_others_follow(finding: Finding, level: str):
    found = commands(many(25, finding))
    assert [command.name for command in found] == [level] * 26 + ["notice"]
    assert found[9].data == f"and 16 more {level}s, in the log and the summary of this step"
    titles = [command.properties["title"] for command in found if "check." in command.properties["title"]]
    assert titles == [f"{finding.id} (check.{number})" for number in range(25)]


def test_finding_without_a_message_is_an_annotation():
    silent = replace(REJECTED, message="\x00", hint="", fields=())
    assert commands(of(replace(DIRECT, findings=(silent,)), keys=()))[0].data == "no message"


def test_errors_come_before_warnings():
    assert levels(of(VALKEY, DIRECT)) == ["error", "warning", "notice"]


WORDS = st.text(st.sampled_from(string.printable + "%:,=\r\n\x85\u2028é–\x1b"), max_size=40) | st.text(max_size=40)  # noqa: RUF001


@given(words=WORDS, name=WORDS, file=WORDS.map(lambda text: f"{text}/mistle.toml"))
def test_texts_are_unchanged(words: str, name: str, file: str):
    rejected = replace(REJECTED, message=words, fields=(URL,))
    report = of(replace(DIRECT, name=name, findings=(rejected,)), keys=REPORT.keys[1:2], file=file)
    error, verdict = commands(report)
    assert error.data.split("\n")[0] == clean(words) or not clean(words)
    assert error.properties == {"file": clean(file), "line": "42", "title": clean(f"{REJECTED.id} ({name})")}
    assert (error.name, verdict.name) == ("error", "notice")
