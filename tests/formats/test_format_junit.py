"""The report as a test report: valid, and failed if and only if the exit code is not 0."""

import re
from dataclasses import replace

import pytest
from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from preflight.formats import renderer
from preflight.report.model import Report
from tests.harness.format_readers import junit
from tests.harness.reports import CONFIG, DIRECT, ENDINGS, REJECTED, REPORT, URL, VALKEY, of


def rendered(report: Report) -> JUnitXml:
    return junit(renderer("junit")(report))


def cases(report: Report) -> list[TestCase]:
    return [case for suite in rendered(report) for case in suite]


def case(name: str, report: Report = REPORT) -> TestCase:
    (found,) = (case for case in cases(report) if case.name == name)
    return found


def counts(suite: TestSuite | JUnitXml) -> tuple[int, int, int]:
    return suite.tests, suite.failures, suite.errors


@pytest.mark.parametrize("ending", ENDINGS)
def test_cases_fail_if_and_only_if_the_run_is_not_ready(ending: str):
    report = ENDINGS[ending]
    red = [case for case in cases(report) if case.is_failure or case.is_error]
    assert (not red) is report.ready
    assert any(case.is_error for case in red) is (report.exit_code > 1)


@pytest.mark.parametrize("ending", ENDINGS)
def test_totals_match_the_cases_and_each_case_has_one_result(ending: str):
    document = rendered(ENDINGS[ending])
    before = {suite.name: (*counts(suite), suite.skipped) for suite in document}
    assert counts(document) == tuple(map(sum, zip(*map(counts, document), strict=True)))
    for suite in document:
        suite.update_statistics()
    assert {suite.name: (*counts(suite), suite.skipped) for suite in document} == before
    assert all(len(case.result) <= 1 for suite in document for case in suite)


def test_a_case_for_every_check_and_every_key():
    checks, keys = rendered(REPORT)
    assert [(case.classname, case.name) for case in checks] == [
        (f"checks.{result.kind}", result.name) for result in REPORT.results
    ]
    assert [(case.classname, case.name) for case in keys] == [
        (f"keys.{verdict.key.partition('.')[0]}", verdict.key) for verdict in REPORT.keys
    ]
    for suite in (checks, keys):
        count = REPORT.counts[suite.name]
        assert (suite.failures, suite.skipped, suite.tests) == (count["fail"], count["skip"], sum(count.values()))


@pytest.mark.parametrize("name", [DIRECT.name, URL])
def test_text_of_a_failure_is_complete(name: str):
    (failure,) = case(name).result
    assert isinstance(failure, Failure)
    assert (failure.type, failure.message) == ("postgres.password-rejected", "the server refused the password")
    assert failure.text == (
        "postgres.password-rejected (postgres.control_plane.direct, auth)\n"
        "the server refused the password\n"
        f"{URL} (mistle.toml:42)\n"
        f"→ correct the password in {URL} (mistle.toml:42)\n"
    )


def test_failure_element_of_a_check_holds_all_its_failures():
    second = replace(REJECTED, id="postgres.tls-required", message="TLS is required")
    report = of(CONFIG, replace(DIRECT, findings=(REJECTED, second)))
    (failure,) = case(DIRECT.name, report).result
    assert failure.type == REJECTED.id
    heads = [line for line in failure.text.splitlines() if line.endswith(f"({DIRECT.name}, auth)")]
    assert [head.split()[0] for head in heads] == [REJECTED.id, "postgres.tls-required"]


def test_skipped_check_has_a_reason():
    (skipped,) = case("postgres.control_plane.pooled").result
    assert isinstance(skipped, Skipped)
    assert skipped.message == "not checked: the URL cannot be used"


def test_key_that_no_selected_check_proves_is_skipped():
    report = of(CONFIG, keys=(REPORT.keys[2],))
    assert case(REPORT.keys[2].key, report).result == [Skipped("not reached, or not selected")]


@pytest.mark.parametrize(("ending", "kind"), [("warned", type(None)), ("warned, strict", Failure)])
def test_warning_is_output_unless_it_counts(ending: str, kind: type):
    for name in (VALKEY.name, VALKEY.keys[0]):
        warned = case(name, ENDINGS[ending])
        assert type(next(iter(warned.result), None)) is kind
        assert "fitness warn 2.0 ms valkey.evicts-keys: policy is allkeys-lru" in warned.system_out


def test_output_of_a_check_is_its_facts_and_layers():
    assert case(DIRECT.name).system_out.splitlines()[:5] == [
        "db:5432/mistle",
        "version: 170002",
        "pooled: False",
        "dns ok 1.2 ms postgres.dns: db resolves",
        f"auth fail 10.1 ms postgres.password-rejected: the server refused the password → {REJECTED.hint}",
    ]


@pytest.mark.parametrize(
    ("ending", "name", "type_"),
    [
        ("misuse", "config", "run.usage"),
        ("unreadable", "config", "config.unreadable"),
        ("unreadable, ignored", "config", "config.unreadable"),
        ("bug", "config", "internal.bug"),
        ("bug in a check", VALKEY.name, "internal.bug"),
        ("interrupted", "run", "run.interrupted"),
        ("interrupted at the end", "run", "run.interrupted"),
    ],
)
def test_unfinished_check_is_an_error(ending: str, name: str, type_: str):
    (error,) = case(name, ENDINGS[ending]).result
    assert isinstance(error, Error)
    assert error.type == type_


def test_times_date_and_properties():
    document = rendered(replace(REPORT, service="data_plane_api"))
    checks, keys = document
    assert (document.time, checks.time, keys.time, checks.timestamp) == (0.81, 0.81, 0.0, "2026-11-23T10:00:00")
    assert case("kv.data_plane").time == 12.5
    properties = {each.name: each.value for each in checks.properties()}
    assert properties.pop("outcome").startswith("NOT READY · checks: 1 failed, ")
    assert properties == {
        "version": "1.2.3",
        "stage": "live",
        "service": "data_plane_api",
        "config": "/etc/mistle/mistle.toml",
    }


def test_time_of_a_very_short_check_is_a_plain_number():
    text = renderer("junit")(of(replace(CONFIG, seconds=0.00001)))
    assert re.findall(r'<testcase name="config" classname="checks.config" time="([^"]*)"', text) == ["0.0"]


@pytest.mark.parametrize(
    "characters", ["\x00\x01\x0b\x1f", "\x7f\x85\x9f", "\ud800\udfff", "\ufffe\uffff", "\U0001ffff"]
)
def test_characters_that_xml_does_not_have_are_left_out(characters: str):
    words = f"before{characters}after"
    broken = replace(DIRECT, target=words, findings=(replace(REJECTED, message=words, hint=words),))
    found = case(DIRECT.name, of(replace(CONFIG, target=words), broken)).result[0].message
    assert re.fullmatch(r"before[ ?]*after", found)
