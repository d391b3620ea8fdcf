"""The report as code scanning reads it: valid, a result for each finding that is not ok, at the line to edit."""

from dataclasses import replace
from typing import Any

import pytest

from checks.core.finding import Finding, Status
from preflight.config.origin import InFile, InVariable, Origin
from preflight.formats import renderer
from preflight.formats.sarif import render_all
from preflight.reference.catalogue import entries
from preflight.report.model import KeyVerdict, Report
from tests.harness.format_readers import sarif, sarif_text
from tests.harness.reports import CONFIG, DIRECT, ENDINGS, EVICTS, POOLED, REJECTED, REPORT, URL, VALKEY, of


def run(report: Report) -> dict[str, Any]:
    return sarif(renderer("sarif")(report))


def results(report: Report) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = run(report)["results"]
    return found


def place(result: dict[str, Any]) -> tuple[str, int]:
    physical = result["locations"][0]["physicalLocation"]
    return physical["artifactLocation"]["uri"], physical["region"]["startLine"]


def only(finding: Finding, origin: Origin | None, **about: object) -> dict[str, Any]:
    """The one result of a finding that blames a key with this origin."""
    key = KeyVerdict(URL, Status.FAIL, "probed", origin)
    (result,) = results(of(replace(DIRECT, findings=(finding,)), keys=(key,), **about))
    return result


@pytest.mark.parametrize("ending", ENDINGS)
def test_errors_if_and_only_if_a_finding_counts(ending: str):
    report = ENDINGS[ending]
    counted = any(report.blocks(*pair) for pair in report.pairs)
    assert any(result["level"] == "error" for result in results(report)) is counted
    (invocation,) = run(report)["invocations"]
    assert (invocation["exitCode"], invocation["executionSuccessful"]) == (report.exit_code, report.exit_code < 2)


def test_result_has_message_keys_and_remedy():
    first, second = results(REPORT)
    assert sarif_text(first["message"]["text"]) == (
        "the server refused the password\n"
        f"{URL} (mistle.toml:42)\n"
        f"→ correct the password in {URL} (mistle.toml:42)\n"
        "found by postgres.control_plane.direct"
    )
    assert (first["ruleId"], first["level"]) == (REJECTED.id, "error")
    assert (second["ruleId"], second["level"]) == (EVICTS.id, "warning")
    assert first["locations"][0]["logicalLocations"] == [{"fullyQualifiedName": URL, "kind": "key"}]


@pytest.mark.parametrize(
    ("file", "uri"),
    [
        ("deploy/mistle.toml", "deploy/mistle.toml"),
        ("../a b/100%.toml", "../a%20b/100%25.toml"),
        ("c:d/mistle.toml", "c%3Ad/mistle.toml"),
        ("/etc/mistle/mistle.toml", "file:///etc/mistle/mistle.toml"),
        ("é.toml", "%C3%A9.toml"),
    ],
)
def test_result_is_at_the_line_of_its_key(file: str, uri: str):
    assert place(only(REJECTED, InFile("mistle.toml", 42), file=file)) == (uri, 42)


def test_value_of_a_variable_is_at_the_first_line_of_what_was_read():
    """GitHub refuses a document in which a result has no location."""
    assert place(only(REJECTED, InVariable("MISTLE_X"), file="mistle.toml")) == ("mistle.toml", 1)
    assert place(only(REJECTED, InVariable("MISTLE_X"), file=None, config="environment")) == ("environment", 1)
    assert place(results(ENDINGS["misuse"])[0]) == ("environment", 1)


def test_invalid_toml_is_at_the_line_of_the_error():
    assert place(results(ENDINGS["unreadable"])[0]) == ("file:///etc/mistle/mistle.toml", 7)


def test_each_rule_is_described_once():
    again = replace(DIRECT, name="postgres.data_plane.direct")
    (rule,) = run(of(DIRECT, again))["tool"]["driver"]["rules"]
    entry = entries()[REJECTED.id]
    assert rule["id"] == REJECTED.id
    assert rule["shortDescription"]["text"].rstrip(".").lower() == entry.cause.means.rstrip(".").lower()
    assert rule["help"]["text"].endswith(f"See {entry.link}")
    assert rule["help"]["markdown"].endswith(f"See {entry.link}")
    assert rule["properties"]["tags"] == ["auth", "postgres"]


@pytest.mark.parametrize("id_", entries())
def test_every_finding_of_the_catalogue_is_a_valid_rule(id_: str):
    (rule,) = run(of(replace(DIRECT, findings=(replace(REJECTED, id=id_),))))["tool"]["driver"]["rules"]
    for text in (rule["shortDescription"]["text"], rule["help"]["text"]):
        assert 0 < len(sarif_text(text)) <= 1024  # GitHub cuts a longer description


def fingerprint(result: dict[str, Any]) -> str:
    value: str = result["partialFingerprints"]["primaryLocationLineHash"]
    return value


def test_fingerprint_stays_while_the_line_and_the_message_change():
    before = only(REJECTED, InFile("mistle.toml", 42))
    after = only(replace(REJECTED, message="refused"), InFile("mistle.toml", 43))
    assert fingerprint(before) == fingerprint(after)


def test_fingerprint_differs_by_id_check_key_and_file():
    variants = [
        of(DIRECT),
        of(DIRECT, file="other.toml"),
        of(replace(DIRECT, name="postgres.data_plane.direct")),
        of(replace(DIRECT, findings=(replace(REJECTED, id="network.refused"),))),
        of(replace(DIRECT, findings=(replace(REJECTED, fields=(POOLED,)),))),
    ]
    assert len({fingerprint(results(each)[0]) for each in variants}) == len(variants)


def test_several_reports_are_one_run_with_an_invocation_for_each():
    found = sarif(render_all([of(CONFIG, file="a.toml"), of(CONFIG, DIRECT, file="b.toml"), of(VALKEY, file="c.toml")]))
    assert [each["exitCode"] for each in found["invocations"]] == [0, 1, 0]
    assert [(place(each)[0], each["provenance"]["invocationIndex"]) for each in found["results"]] == [
        ("b.toml", 1),
        ("c.toml", 2),
    ]


def test_text_of_a_server_is_neither_an_argument_nor_a_link():
    hostile = replace(REJECTED, message="[x](http://evil.test) {0} {{1}}")
    (result,) = results(of(replace(DIRECT, findings=(hostile,))))
    assert sarif_text(result["message"]["text"]).startswith("[x] (http://evil.test) {0} {{1}}\n")
