"""The page as a document: its content, that it is well formed, and that it needs no other file."""

import base64
import hashlib
import os
import re
import stat
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import html5lib
import pytest
from justhtml import JustHTML, Node

from checks.core.finding import Layer
from preflight.formats import renderer
from preflight.formats.html.text import duration, fit_end, fit_middle
from preflight.report.model import Report
from tests.harness import deployments, profiles

ROOT = Path(__file__).parents[2]
MAPS = ("map wide", "map narrow")


def parsed(report: Report) -> JustHTML:
    return JustHTML(renderer("html")(report), sanitize=False)


@cache
def shown(name: str) -> JustHTML:
    return parsed(deployments.SHAPES[name])


def every(page: JustHTML, selector: str) -> list[Node]:
    return page.query(selector)


def words(node: Node) -> str:
    return " ".join(node.to_text(" ", strip=False, separator_blocks_only=True).split())


@pytest.mark.parametrize("name", profiles.first(4, reversed(deployments.SHAPES)))
def test_parser_reports_no_error(name: str):
    html5lib.HTMLParser(strict=True).parse(renderer("html")(deployments.SHAPES[name]))


@pytest.mark.parametrize("name", profiles.first(4, reversed(deployments.SHAPES)))
def test_links_have_targets(name: str):
    page = shown(name)
    ids = Counter(node.attrs["id"] for node in every(page, "[id]"))
    assert max(ids.values()) == 1
    references = [node.attrs["href"].removeprefix("#") for node in every(page, "[href]")]
    labels = [each for name in ("aria-labelledby", "aria-describedby") for each in every(page, f"[{name}]")]
    references += [node.attrs.get("aria-labelledby") or node.attrs["aria-describedby"] for node in labels]
    assert set(references) <= set(ids)


@pytest.mark.parametrize("name", deployments.SHAPES)
def test_page_needs_no_other_file(name: str):
    page = shown(name)
    text = renderer("html")(deployments.SHAPES[name])
    for node in every(page, "*"):
        assert not {name for name in node.attrs if name.startswith("on") or name in ("style", "src", "xlink:href")}
        assert node.attrs.get("href", "#").startswith("#")
    assert "url(" not in text
    assert "@import" not in text
    policy = every(page, "meta[http-equiv]")[0].attrs["content"]
    inline = {name: re.findall(rf"<{name}>(.*?)</{name}>", text, re.DOTALL) for name in ("style", "script")}
    hashes = {
        name: base64.b64encode(hashlib.sha256(only.encode()).digest()).decode() for name, (only,) in inline.items()
    }
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{hashes['style']}'; script-src 'sha256-{hashes['script']}'; "
        "base-uri 'none'; form-action 'none'"
    )


def test_page_is_the_same_for_the_same_report():
    assert renderer("html")(deployments.deployment(deployments.BROKEN)) == renderer("html")(
        deployments.deployment(deployments.BROKEN)
    )


def test_every_key_check_and_finding_is_there():
    report, text = deployments.SHAPES["broken"], words(shown("broken").root)
    for verdict in report.keys:
        assert f"{verdict.key} " in text
        assert verdict.origin
        assert str(verdict.origin) in text
    for result, finding in report.pairs:
        assert result.name in text
        assert result.target in text
        assert finding.message in text
        assert finding.hint in text
    for word in (
        "NOT READY",
        "1.2.3",
        "/etc/mistle/mistle.toml",
        "live",
        "every service",
        "2026-11-23 10:00:00 UTC",
        "810 ms",
    ):
        assert word in text


def test_problem_has_its_hint_and_its_meaning():
    page = shown("broken")
    ids = [words(each) for each in every(page, ".problem h3")]
    assert ids == ["postgres.pooler-on-direct-url", "valkey.password-rejected", "network.refused"], "failures first"
    text = words(every(page, ".problem")[1])
    assert "failed · auth · kv.data_plane valkey.example.internal:" in text
    assert f"Do: {deployments.REJECTED.hint}" in text
    assert "Key at fault kv.data_plane.url mistle.toml:" in text
    assert "Used by data_plane_gateway" in text
    assert "Means The server refuses the user name or the password." in text


def test_layers_show_where_the_check_stopped():
    page = shown("broken")
    layers = [(words(each), each.attrs["class"]) for each in every(page, "#finding-2 .layer")]
    assert layers == [
        ("dns ok · 4.0 ms", "layer ok"),
        ("connect ok · 4.0 ms", "layer ok"),
        ("auth failed · 13 ms", "layer fail"),
        ("access not reached", "layer skip"),
        ("fitness not reached", "layer skip"),
    ]


@pytest.mark.parametrize("which", MAPS)
def test_map_has_every_service_every_resource_and_a_connection_for_each_use(which: str):
    report, page = deployments.SHAPES["broken"], shown("broken")
    (drawn,) = (each for each in every(page, ".map") if each.attrs["class"] == which)
    resources = [words(each.query("title")[0]) for each in drawn.query(".resource")]
    assert [each.partition(",")[0] for each in resources] == [result.name for result in report.results[1:]]
    assert "kv.data_plane, valkey, failed, 72 ms, connect 4.0 ms: valkey.example.internal:1028" in resources
    connections = [words(each.query("title")[0]).partition(":")[0] for each in drawn.query(".connection")]
    assert Counter(connections) == Counter(
        f"{service} uses {result.name}" for result in report.results for service in result.services
    )
    statuses = [each.attrs["class"].removeprefix("connection ") for each in drawn.query(".connection")]
    assert statuses == sorted(statuses, key=["ok", "skip", "warn", "fail"].index), "the worst on top"
    assert words(drawn.query(".service")[0].query("title")[0]).startswith("control_plane_api: 1 warned, ")


def test_map_and_checks_keep_a_kind_together():
    """In a report, skipped checks come last, whatever their kind."""
    report = deployments.SHAPES["ready"]
    mixed = deployments.report([*report.results[2:], report.results[1]])
    kinds = [words(each) for each in every(parsed(mixed), "#checks h3")]
    assert len(kinds) == len(set(kinds))
    assert kinds[0] == "postgres"


def test_one_service_sees_its_own_connections_alone():
    page = shown("as one service sees it")
    assert {words(each) for each in every(page, "#map th[scope=rowgroup]")} == {"data_plane_gateway"}
    assert "Seen from data_plane_gateway" in words(page.root)


def test_table_has_the_content_of_the_map():
    page = shown("broken")
    rows = [words(each) for each in every(page, "#map tbody tr")]
    connections = every(page, ".map")[0].query(".connection")
    assert len(rows) == len(connections)
    assert "data_plane_gateway kv.data_plane failed 4.0 ms 72 ms" in rows


@pytest.mark.parametrize("name", ["configuration alone", "configuration errors", "interrupted", "quiet"])
def test_nothing_is_mapped_where_nothing_was_planned(name: str):
    assert not every(shown(name), ".map, #map, [href='#map']")


def test_quiet_page_shows_only_failures():
    page = shown("quiet")
    assert [words(each) for each in every(page, "h2")] == ["What to fix"]
    assert len(every(page, ".problem")) == 2
    assert "Warnings, not shown: network.refused" in words(page.root)


def test_verbose_page_unfolds_every_check():
    def unfolded(name: str) -> int:
        return len(every(shown(name), ".check[open]"))

    assert unfolded("broken") == 3
    assert unfolded("verbose") == len(deployments.SHAPES["verbose"].results)


@pytest.mark.parametrize(
    ("name", "verdict", "no_problems_text"),
    [
        ("ready", "READY", "Every layer that was tried passed."),
        ("plan", "VALID, nothing was probed", "Nothing was found without probing."),
        ("interrupted", "NOT READY", "Nothing yet: the run was interrupted."),
        ("configuration errors", "NOT VALID, nothing was probed", ""),
    ],
)
def test_verdict(name: str, verdict: str, no_problems_text: str):
    page = shown(name)
    assert words(every(page, "h1")[0]) == verdict
    assert no_problems_text in words(every(page, "#problems")[0])
    assert every(page, "title")[0].to_text().startswith(f"{verdict} · ")


def test_ignored_failure_is_marked():
    page = shown("ignored")
    (ignored,) = (each for each in every(page, ".problem") if "valkey.password-rejected" in words(each))
    assert "warned, ignored · auth" in words(ignored)


def test_layers_come_in_their_order():
    layers = [words(each).partition(" ")[0] for each in every(shown("ready"), "#check-2 .layer")]
    assert layers == [layer for layer in Layer if layer in deployments.LAYERS]


@pytest.mark.parametrize(
    ("text", "columns", "end", "middle"),
    [
        ("kv.data_plane", 13, "kv.data_plane", "kv.data_plane"),
        ("services.dashboard", 10, "…dashboard", "servi…oard"),
        ("日本語日本語", 7, "…日本語", "日…語"),
        ("e\u0301e\u0301e\u0301", 3, "e\u0301e\u0301e\u0301", "e\u0301e\u0301e\u0301"),
        ("ab\u202ecd\n", 9, "abcd", "abcd"),
    ],
)
def test_names_fit_their_column(text: str, columns: int, end: str, middle: str):
    assert fit_end(text, columns) == end
    assert fit_middle(text, columns) == middle


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.00004, "0.0 ms"), (0.0042, "4.2 ms"), (0.35, "350 ms"), (1.2, "1.20 s"), (60.0, "60.0 s"), (100.4, "100 s")],
)
def test_durations(seconds: float, text: str):
    assert duration(seconds) == text


def test_command_writes_the_page(tmp_path: Path):
    file = tmp_path / "report.html"
    command = [sys.executable, "-m", "preflight.cli.main", "config", "--config", str(ROOT / "examples" / "mistle.toml")]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
    done = subprocess.run(
        [*command, "-f", "text", "-f", f"html={file}"], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert file.read_text().startswith("<!DOCTYPE html>\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    printed = subprocess.run([*command, "-f", "html"], env=environment, capture_output=True, text=True, check=True)
    assert printed.stdout.startswith("<!DOCTYPE html>\n")
    assert printed.stdout.endswith("</html>\n")


def test_template_engine_is_imported_for_this_format_alone():
    code = (
        "import sys, preflight.cli.main, preflight.output.writer\n"
        "from preflight.formats import renderer\n"
        "renderer('json'), renderer('text')\n"
        "assert 'jinja2' not in sys.modules and 'preflight.reference.catalogue' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(ROOT)}, check=True)
