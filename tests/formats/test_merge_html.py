"""The page of merged reports: its content, that it is well formed, and that it needs no other file."""

import base64
import hashlib
import re
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import html5lib
import pytest
from justhtml import JustHTML

from preflight.formats import BY_COMMAND, renderer
from preflight.plan.resources import RESOURCES
from preflight.saved.merge import MergedReport, merge
from tests.formats.test_html import words
from tests.harness import deployments, vantages

RENDER = renderer("html", BY_COMMAND["merge"])


@cache
def document(name: str) -> str:
    return RENDER(vantages.SHAPES[name])


@cache
def shown(name: str) -> JustHTML:
    return JustHTML(document(name), sanitize=False)


def texts(name: str, selector: str) -> list[str]:
    return [words(each) for each in shown(name).query(selector)]


def row(name: str, key: str) -> list[str]:
    (found,) = (each for each in shown(name).query(".merged tbody tr") if words(each).startswith(f"{key} "))
    return [words(each) for each in found.query("th, td")]


@pytest.mark.parametrize("name", vantages.SHAPES)
def test_parser_reports_no_error(name: str):
    html5lib.HTMLParser(strict=True).parse(document(name))


@pytest.mark.parametrize("name", vantages.SHAPES)
def test_links_have_targets(name: str):
    ids = Counter(node.attrs["id"] for node in shown(name).query("[id]"))
    assert max(ids.values()) == 1
    references = {node.attrs["href"] for node in shown(name).query("[href]")}
    assert references <= {f"#{id_}" for id_ in ids}
    assert {node.attrs["aria-labelledby"] for node in shown(name).query("[aria-labelledby]")} <= set(ids)


@pytest.mark.parametrize("name", vantages.SHAPES)
def test_page_needs_no_other_file(name: str):
    text = document(name)
    for node in shown(name).query("*"):
        assert not {each for each in node.attrs if each.startswith("on") or each in ("style", "src", "xlink:href")}
    assert "url(" not in text
    assert "@import" not in text
    (policy,) = (each.attrs["content"] for each in shown(name).query("meta[http-equiv]"))
    for tag in ("style", "script"):
        (only,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(only.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none'; ")


def test_verdict_and_numbers():
    assert texts("broken", "h1") == ["NOT READY"]
    assert texts("broken", ".about") == ["Vantages 4 Without a report none Exit code 1"]
    keys = {*deployments.UNPROBED, *(key for resource in RESOURCES for key in resource.keys)}
    assert texts("broken", ".counts p") == [f"Keys 2 failed, 1 warned, {len(keys) - 3} ok"]
    assert texts("ready", "h1, #problems") == ["READY", "Nothing to fix Nothing that counts."]


def test_vantages_have_service_stage_and_start():
    shown_without_ok = [re.sub(r", \d+ ok$", "", text) for text in texts("broken", ".vantages tbody tr")]
    assert shown_without_ok == [
        "laptop not ready the whole deployment live 2026-11-23 10:00:00 UTC 1 failed, 1 warned",
        "control_plane_api ready control_plane_api live 2026-11-23 10:00:00 UTC 1 warned",
        "node-a not ready data_plane_gateway live 2026-11-23 10:00:00 UTC 1 failed, 1 warned",
        "node-b not ready data_plane_gateway live 2026-11-23 10:00:00 UTC 1 failed",
    ]


def test_interrupted_vantage_is_marked():
    assert "cut not ready interrupted data_plane_gateway" in texts("interrupted", ".vantages tbody tr")[1]
    assert texts("interrupted", ".headline p") == ["interrupted: cut"]
    assert "Nothing yet: a run was interrupted." in texts("interrupted", "#problems")[0]


def test_services_without_a_report_are_named():
    (text,) = texts("services alone", ".omitted")
    assert text.startswith("No report of control_plane_worker, data_plane_api, data_plane_gateway, dashboard, ")
    assert text.endswith(": what only they need is not judged.")
    assert texts("broken", ".omitted") == []


def test_problem_has_its_vantages_and_its_hint():
    assert texts("broken", ".problem h3") == [
        "postgres.pooler-on-direct-url",
        "valkey.password-rejected",
        "network.refused",
    ], "failures first"
    text = texts("broken", ".problem")[1]
    assert "failed · auth · kv.data_plane from node-a dns ok" in text
    assert f"Do: {vantages.REJECTED.hint}" in text
    assert vantages.REJECTED.message in text
    assert "Key at fault kv.data_plane.url mistle.toml:8 Seen from node-a, node-b" in text
    assert "Means The server refuses the user name or the password." in text
    assert "from laptop" not in texts("broken", ".problem .layer-list")[0], "one vantage needs no name above its layers"


def test_every_vantage_has_its_cell():
    assert row("broken", "telemetry.traces.endpoint")[1:6] == [
        "warned",
        *["warned probed network.refused"] * 3,
        "ok probed",
    ]
    assert row("broken", "postgres.data_plane.direct_url")[2:] == [
        "failed probed postgres.pooler-on-direct-url",
        *["not set"] * 3,
        "data_plane_api, data_plane_worker, data_plane_migrations",
    ]
    assert row("broken", "global.env")[1:] == ["ok", *["ok validated"] * 4, "any service that reads it"]


def test_cell_that_does_not_count_is_marked():
    cells = row("broken", "kv.data_plane.url")
    assert cells[2] == "failed there, does not count probed valkey.password-rejected"
    assert cells[4:6] == ["failed probed valkey.password-rejected"] * 2
    links = [each.attrs["href"] for each in shown("broken").query(".cell a")]
    assert Counter(links) == {"#finding-1": 1, "#finding-2": 2, "#finding-3": 3}, "it leads to no finding"


def test_table_has_headers():
    heads = shown("broken").query(".merged thead th")
    assert [words(each) for each in heads][2:-1] == ["laptop", "control_plane_api", "node-a", "node-b"]
    assert {each.attrs["scope"] for each in heads} == {"col"}
    keys = [words(each) for each in shown("broken").query(".merged th[scope=row]")]
    assert sorted(keys) == sorted(each.key for each in vantages.SHAPES["broken"].keys)


def test_page_of_no_keys_has_no_table():
    page = JustHTML(
        RENDER(MergedReport(vantages=(), keys=(), problems=(), unseen=(), incomplete=())),
        sanitize=False,
    )
    assert not page.query("#keys, .filter")


def test_same_reports_give_the_same_page():
    reports = vantages.SHAPES["broken"].vantages
    assert RENDER(merge(reports)) == RENDER(merge(reports))


def test_command_writes_the_page(tmp_path: Path):
    report, page = tmp_path / "a.json", tmp_path / "merged.html"
    report.write_text(renderer("json")(deployments.SHAPES["one check"]))
    command = [sys.executable, "-m", "preflight.cli.main", "merge", report, f"node-a={report}", "-f", f"html={page}"]
    done = subprocess.run([*map(str, command), "-f", "text"], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert "NOT READY" in done.stdout
    assert "node-a" in page.read_text()
    assert page.read_text().endswith("</html>\n")
