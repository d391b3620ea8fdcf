"""How each format shows a cause with what follows from it."""

import json
import xml.etree.ElementTree as ET

import html5lib
import pytest

from checks.core.finding import HOST, PORT, Finding, Layer, Status
from preflight.formats import FORMATS, renderer
from preflight.output.writer import plain
from preflight.report.model import Report
from preflight.report.result import Result
from tests.harness import deployments
from tests.harness.format_readers import WITHOUT_MESSAGES

LOST = 12
"""Checks of one host that is down."""


def lost(number: int) -> Result:
    key = f"service_{number}.url"
    finding = Finding("network.timeout", Layer.CONNECT, Status.FAIL, "no reply: packets are dropped", "", (key,))
    facts = {HOST: "db.internal", PORT: 5000 + number}
    return Result(f"check.{number}", "any", f"db.internal:{5000 + number}", (key,), (finding,), facts=facts)


@pytest.fixture(scope="module")
def down() -> Report:
    alone = Finding("valkey.password-rejected", Layer.AUTH, Status.FAIL, "no", "correct it", ("kv.data_plane.url",))
    other = Result("kv.data_plane", "valkey", "kv:6379", ("kv.data_plane.url",), (alone,))
    return deployments.report([*map(lost, range(LOST)), other])


def test_text_names_the_cause_within_its_last_ten_lines(down: Report) -> None:
    *_, incidents = plain(renderer("text")(down)).rpartition("\nincidents\n")
    lines = incidents.splitlines()
    assert len(lines) < 10
    assert lines[0] == "  ✗ incident.host-down  (certain)"
    assert lines[1] == f"      none of the {LOST} ports of db.internal can be reached"
    assert lines[2].startswith("      → start the host")
    assert lines[3].startswith("      explains network.timeout (check.0, check.1, ")
    assert lines[4] == "  ✗ valkey.password-rejected  (kv.data_plane)"


def test_report_without_consequences_has_no_incidents_in_text() -> None:
    alone = deployments.report([lost(0)])
    assert "incidents" not in plain(renderer("text")(alone))
    assert len(json.loads(renderer("json")(alone))["incidents"]) == 1


def test_json_has_each_finding_in_one_incident(down: Report) -> None:
    first, second = json.loads(renderer("json")(down))["incidents"]
    assert first["root_cause"]["id"] == "incident.host-down"
    assert first["root_cause"]["keys"] == [f"service_{number}.url" for number in range(LOST)]
    assert first["consequences"] == [{"check": f"check.{number}", "id": "network.timeout"} for number in range(LOST)]
    assert (second["root_cause"]["id"], second["consequences"]) == ("valkey.password-rejected", [])


def test_junit_has_a_suite_of_causes_first(down: Report) -> None:
    suite = ET.fromstring(renderer("junit")(down))[0]
    assert suite.get("name") == "incidents"
    assert [case.get("name") for case in suite.iter("testcase")] == ["incident.host-down", "valkey.password-rejected"]


def test_github_annotates_the_cause_first(down: Report) -> None:
    first, second, third, *_ = renderer("github")(down).splitlines()
    assert first.startswith("::error title=incident.host-down (certain)::none of the 12 ports")
    assert "valkey.password-rejected" in second
    assert "follows from incident.host-down (certain)" in third


def test_markdown_has_the_cause_before_the_failures(down: Report) -> None:
    before, _, _ = renderer("markdown")(down).partition("### Failures")
    assert "### Incidents\n\n- ❌ `incident.host-down` (`certain`)\\" in before


def test_page_has_the_cause_at_its_top_and_its_consequences_lighter(down: Report) -> None:
    page = renderer("html")(down)
    tree = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(page)
    (summary,) = (each for each in tree.iter("ul") if each.get("class") == "summary")
    assert summary[0][0].get("href") == "#incident-1"
    cards = [(each.get("id"), each.get("class")) for each in tree.iter("article")]
    assert cards[0] == ("incident-1", "problem incident fail")
    assert cards[1] == ("finding-1", "problem fail")
    assert {classes for _, classes in cards[2:]} == {"problem fail consequence"}
    assert len(cards) == 1 + LOST + 1


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in WITHOUT_MESSAGES])
def test_every_format_for_readers_names_the_cause(name: str, down: Report) -> None:
    shown = renderer(name)(down).replace("<wbr>", "")
    assert "incident.host-down" in shown, f"render of {FORMATS[name]} leaves out the report's incidents"
