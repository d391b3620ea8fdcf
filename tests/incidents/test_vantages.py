"""Incidents of merged reports, and of two reports that are compared."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import preflight
from preflight.saved.diff import diff
from preflight.saved.merge import MergedReport, merge
from preflight.saved.reader import SavedReport, read
from tests.harness import configs
from tests.harness.command import run
from tests.harness.networks import can_have_own_network
from tests.incidents import bench as at
from tests.incidents import scenes
from tests.incidents.bench import DIRECT, KV, Bench, Values
from tests.incidents.network import no_route

pytestmark = pytest.mark.skipif(not can_have_own_network(), reason="only root on Linux may have a network of its own")


def healthy(bench: Bench) -> dict[str, Values]:
    return at.valkey_at(f"127.0.0.1:{bench.valkey.port}") | {DIRECT: {f"{DIRECT}_url": bench.postgres.url()}}


def saved(
    values: Mapping[str, Values], file: Path, inside: Callable[[Callable[[], Any]], Any] = at.directly
) -> SavedReport:
    settings = {key: value for keys in values.values() for key, value in keys.items()}
    config = configs.write(file.parent, settings)
    report = inside(lambda: preflight.check(config, only=values, environ={}))
    file.write_text(preflight.render(report, "json"))
    return read(file, file.stem)


def roots(merged: MergedReport) -> list[tuple[str, tuple[str, ...]]]:
    return [(each.root.id, each.vantages) for each in merged.incidents]


def test_place_from_which_everything_fails(bench: Bench, tmp_path: Path) -> None:
    there = saved(healthy(bench), tmp_path / "node-a.json")
    here = saved(healthy(bench), tmp_path / "node-b.json", no_route)
    (incident,) = [each for each in merge((there, here)).incidents if each.root.id == "incident.vantage"]
    assert (incident.vantages, incident.certainty) == (("node-b",), "likely")
    assert {each.check for each in incident.consequences} == {DIRECT, KV}
    assert "all 2 servers fail from node-b" in incident.why


def test_resource_that_fails_from_everywhere(bench: Bench, tmp_path: Path) -> None:
    values = scenes.by_name("one closed port").make(bench) | at.valkey_at(f"127.0.0.1:{bench.valkey.port}")
    reports = tuple(saved(values, tmp_path / f"node-{name}.json") for name in "ab")
    (incident,) = [each for each in merge(reports).incidents if each.root.id == "network.refused"]
    assert incident.vantages == ("node-a", "node-b")
    assert "the same from all 2 places" in incident.why


def test_merge_shows_the_incident(bench: Bench, tmp_path: Path) -> None:
    saved(healthy(bench), tmp_path / "node-a.json")
    saved(healthy(bench), tmp_path / "node-b.json", no_route)
    files = [str(tmp_path / f"node-{name}.json") for name in "ab"]
    ended = run("merge", *files, "-f", "text", "-f", f"json={tmp_path / 'merged'}")
    *_, verdict = text = ended.stdout.decode().strip().splitlines()
    assert "NOT READY" in verdict
    assert any("incident.vantage  (likely, seen from node-b" in line for line in text[-8:]), text[-8:]
    document = json.loads((tmp_path / "merged").read_text())
    seen = {each["root_cause"]["id"]: each["vantages"] for each in document["incidents"]}
    assert seen["incident.vantage"] == ["node-b"]


def test_diff_tells_which_incident_began_and_ended(bench: Bench, tmp_path: Path) -> None:
    before = saved(healthy(bench), tmp_path / "before.json")
    after = saved(scenes.by_name("host refuses").make(bench), tmp_path / "after.json")
    difference = diff(before, after)
    assert [each.root.id for each in difference.began] == ["incident.host-down"]
    assert [each.root.id for each in diff(after, before).ended] == ["incident.host-down"]
    text = run("diff", str(tmp_path / "before.json"), str(tmp_path / "after.json")).stdout.decode()
    assert "new incidents\n  ✗ incident.host-down  (likely)" in text
