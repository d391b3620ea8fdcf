"""Reports of several services and nodes, merged: a key fails where the service that needs it runs."""

import gc
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from checks.core.finding import Status
from preflight.formats import BY_COMMAND, renderer
from preflight.saved.merge import MergedKey, MergedReport, merge
from preflight.saved.reader import read
from tests.harness import faults, profiles
from tests.harness.command import LEAN, run
from tests.harness.deployments import BROKEN, deployment
from tests.harness.format_readers import markdown
from tests.harness.kept_reports import URL, changed, kept, kept_refused
from tests.harness.processes import preflight
from tests.testbed import Valkey, valkey_server

GATEWAY, API, WORKER = "data_plane_gateway", "data_plane_api", "control_plane_worker"
MAIL = "email.smtp.host"


@pytest.fixture
def right(tmp_path: Path, valkey: Valkey) -> Path:
    """The gateway's own report: it reaches its Valkey."""
    return needed_by_two(kept(tmp_path, "right", {URL: valkey.url()}, only="kv.*", service=GATEWAY))


@pytest.fixture
def refused(tmp_path: Path) -> Path:
    """The operator's report: Valkey cannot be reached from this vantage."""
    return needed_by_two(kept_refused(tmp_path, "laptop"))


def needed_by_two(file: Path) -> Path:
    """The same report, with a data-plane API that needs Valkey too."""
    document = json.loads(file.read_text())
    document["checks"][-1]["services"] = [API, GATEWAY]
    return changed(file, file.stem, checks=document["checks"])


def merged(*files: Path, level: Status = Status.FAIL) -> MergedReport:
    return merge(tuple(read(file, file.stem) for file in files), level)


def row(report: MergedReport, key: str = URL) -> MergedKey:
    return next(row for row in report.keys if row.key == key)


def test_every_key_has_a_row_and_every_vantage_a_cell(right: Path, refused: Path) -> None:
    report = merged(right, refused)
    assert [each.key for each in report.keys] == [verdict.key for verdict in read(right).keys]
    assert {len(each.cells) for each in report.keys} == {2}
    assert row(report).services == (API, GATEWAY)


def test_failure_of_a_key_that_is_not_needed_there_does_not_count(right: Path, refused: Path) -> None:
    report = merged(right, refused, changed(right, "api", service=API))
    assert [cell.counts for cell in row(report).cells if cell][:2] == [True, False]
    assert (row(report).status, report.ready, report.problems) == (Status.OK, True, ())


def test_whole_deployment_counts_for_services_without_a_report(right: Path, refused: Path) -> None:
    report = merged(right, refused)  # the data-plane API needs Valkey too, and has no report of its own
    assert API in row(report).services
    assert (row(report).status, report.exit_code) == (Status.FAIL, 1)
    (problem,) = report.problems
    assert (problem.finding.id, problem.finding.fields, problem.vantages) == ("network.refused", (URL,), ("laptop",))


def test_failure_where_the_service_runs_counts(tmp_path: Path, valkey: Valkey) -> None:
    here = kept(tmp_path, "laptop", {URL: valkey.url()}, only="kv.*")
    there = kept_refused(tmp_path, "gateway", service=GATEWAY)
    report = merged(here, there)
    assert (row(report).status, report.ready) == (Status.FAIL, False)
    assert report.problems[0].vantages == ("gateway",)


def test_one_of_two_nodes_fails(right: Path, refused: Path) -> None:
    node = changed(refused, "node-b", service=GATEWAY)
    report = merged(right, node)
    assert row(report).status is Status.FAIL
    assert report.problems[0].vantages == ("node-b",)


def test_report_of_a_service_that_does_not_need_the_key_does_not_count(right: Path, refused: Path) -> None:
    other = changed(refused, "other", service="dashboard")
    report = merged(right, other)
    assert (row(report).status, report.problems) == (Status.OK, ())


def test_failures_of_one_id_and_check_are_an_incident_each(refused: Path) -> None:
    document = json.loads(refused.read_text())
    found = document["checks"][0]["findings"][0]
    blamed = [found | {"id": "config.malformed-url", "status": "fail", "keys": [key]} for key in (URL, MAIL)]
    report = changed(refused, "two", checks=[document["checks"][0] | {"findings": blamed}])
    assert [(each.root.keys, each.vantages) for each in merged(report, refused).incidents[:2]] == [
        ((URL,), ("two",)),
        ((MAIL,), ("two",)),
    ]


def test_same_failure_at_several_vantages_is_reported_once(refused: Path) -> None:
    nodes = [changed(refused, f"node-{name}", service=GATEWAY) for name in "abc"]
    (problem,) = merged(*nodes).problems
    assert problem.vantages == ("node-a", "node-b", "node-c")


def test_services_without_a_report_are_named(right: Path, refused: Path) -> None:
    assert API in merged(right).unseen
    assert GATEWAY not in merged(right).unseen
    assert merged(right, refused).unseen == ()


def test_proof_at_one_vantage_is_enough(tmp_path: Path, right: Path, valkey: Valkey) -> None:
    with faults.refused_port() as port:
        changes = {URL: valkey.url(), MAIL: "127.0.0.1", "email.smtp.port": port}
        worker = kept(tmp_path, "worker", changes, only=["smtp"], service=WORKER)
    report = merged(right, worker)
    assert row(report).status is Status.OK
    assert row(report, MAIL).status is Status.FAIL


def test_error_of_the_configuration_counts_wherever_it_is_read(tmp_path: Path, right: Path, valkey: Valkey) -> None:
    broken = kept(
        tmp_path,
        "broken",
        {URL: valkey.url(), "global.env": "nonsense"},
        only="services.dashboard",
        service="dashboard",
    )
    report = merged(right, broken)
    assert row(report, "global.env").status is Status.FAIL
    assert not report.ready


def test_interrupted_vantage_is_not_ready(right: Path) -> None:
    document = json.loads(right.read_text())
    document["checks"][0]["findings"] = [
        document["checks"][0]["findings"][0] | {"id": "run.interrupted", "status": "skip", "keys": []}
    ]
    report = merged(right, changed(right, "cut", ready=False, checks=document["checks"]))
    assert (report.incomplete, report.exit_code) == (("cut",), 1)
    for name in ("text", "markdown"):
        text = renderer(name, BY_COMMAND["merge"])(replace(report, detail=-1))
        assert "interrupted: cut" in text.replace("`", "").lower()


def test_warnings_count_with_level_warn(tmp_path: Path) -> None:
    with valkey_server(maxmemory="100mb", maxmemory_policy="allkeys-lru") as server:
        evicting = kept(tmp_path, "evicting", {URL: server.url()}, only="kv.*", service=GATEWAY)
    assert merged(evicting).ready
    assert not merged(evicting, level=Status.WARN).ready


def test_text_is_a_table_with_a_column_for_each_vantage(right: Path, refused: Path) -> None:
    done = preflight("merge", right, f"laptop={refused}")
    assert (done.code, done.stderr) == (1, "")
    lines = done.stdout.splitlines()
    assert lines[1].startswith(f"   1  {GATEWAY}  as {GATEWAY} · live · ")
    assert lines[2].startswith(f"   2  {'laptop':{len(GATEWAY)}}  the whole deployment · live · ")
    (line,) = (line for line in lines if line.startswith(f"  ✗ {URL} "))
    assert line.split()[2:] == ["✓", "✗"]
    assert "      seen from laptop" in lines
    assert lines[-1].startswith("NOT READY · vantages: 2 · keys: 1 failed, ")


def test_text_shows_round_trips(right: Path, refused: Path) -> None:
    """A vantage that did not connect has none."""
    document = json.loads(right.read_text())
    document["checks"][-1]["facts"]["rtt_ms"] = 81.254
    lines = preflight("merge", refused, changed(right, "right", checks=document["checks"])).stdout.splitlines()
    head = next(number for number, line in enumerate(lines) if line.startswith("round trips, in ms"))
    assert lines[head].split()[-2:] == ["1", "2"]
    assert lines[head + 1].split() == ["kv.data_plane", "81.25"]
    assert lines[head].index("2") > lines[head + 1].index("81.25")


def test_cell_that_does_not_count_is_in_brackets(right: Path, refused: Path) -> None:
    done = preflight("merge", right, f"other={changed(refused, 'other', service='dashboard')}")
    (line,) = (line for line in done.stdout.splitlines() if f" {URL} " in line)
    assert line.split() == ["✓", URL, "✓", "(✗)"]
    assert done.code == 0


def test_json_has_every_part(right: Path, refused: Path) -> None:
    document = json.loads(preflight("merge", right, refused, "-f", "json").stdout)
    assert (document["schema"], document["ready"]) == ("mistle-preflight-matrix/1", False)
    assert [vantage["name"] for vantage in document["vantages"]] == [GATEWAY, "laptop"]
    (found,) = (each for each in document["keys"] if each["key"] == URL)
    assert [cell["status"] for cell in found["vantages"]] == ["ok", "fail"]
    assert document["findings"][0]["keys"] == [URL]


def test_markdown_has_every_part(right: Path, refused: Path) -> None:
    text = preflight("merge", right, f"laptop={refused}", "-f", "markdown").stdout
    page = markdown(text)
    assert [words for tag, words in page.texts if tag in {"h2", "h3", "summary"}] == [
        "❌ NOT READY",
        "Failures",
        "Keys",
    ]
    (line,) = (line for line in text.splitlines() if line.startswith(f"| ❌ | `{URL}` "))
    assert line == f"| ❌ | `{URL}` | ✅ | ❌ |"
    assert "seen from `laptop`" in text


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [("text", "failures", "NOT READY · vantages: 2 · "), ("markdown", "## ❌ NOT READY", "  → `start the service, ")],
)
def test_quiet_is_failures_and_the_verdict(right: Path, refused: Path, name: str, first: str, last: str) -> None:
    text = preflight("merge", "-q", right, refused, "-f", name).stdout
    lines = text.splitlines()
    assert (lines[0], lines[-1][: len(last)]) == (first, last)
    assert "network.refused" in text
    assert URL in text
    assert "global.env" not in text


def test_names_are_unique(right: Path) -> None:
    done = preflight("merge", right, right)
    assert (done.code, done.stdout) == (2, "")
    assert f"two reports are called '{GATEWAY}'" in done.stderr


def test_file_whose_name_has_an_equals_sign(tmp_path: Path, right: Path) -> None:
    odd = tmp_path / "a=b.json"
    odd.write_text(right.read_text())
    document = json.loads(preflight("merge", odd, f"x={odd}", "-f", "json").stdout)
    assert [vantage["name"] for vantage in document["vantages"]] == [GATEWAY, "x"]


@pytest.fixture
def many(tmp_path: Path) -> list[str]:
    """The names of 200 reports of 100 keys."""
    document = json.loads(renderer("json")(deployment(BROKEN)))
    key = document["keys"][0]
    document["keys"] += [key | {"key": f"global.{n}"} for n in range(100 - len(document["keys"]))]
    files = [tmp_path / f"{n}.json" for n in range(200)]
    for file in files:
        file.write_text(json.dumps(document))
    return [str(file) for file in files]


@profiles.long
@pytest.mark.parametrize("name", profiles.first(1, BY_COMMAND["merge"]))
def test_many_reports_are_merged_in_little_memory(many: list[str], name: str) -> None:
    ended = run("merge", *many, "-f", name, code=LEAN)
    assert (ended.code, ended.stderr) == (1, b"")
    assert ended.stdout


def grows_as_expected(work: Callable[[int], object], small: int) -> bool:
    """True if four times the input takes at most five times the processor time, in one of five attempts."""

    def seconds(size: int) -> float:
        gc.collect()
        start = time.process_time()
        work(size)
        return time.process_time() - start

    gc.disable()  # it would also search the objects of other tests
    try:
        work(2)
        return any(seconds(4 * small) <= 5 * seconds(small) for _ in range(5))
    finally:
        gc.enable()


@profiles.long
def test_time_grows_with_the_number_of_reports(many: list[str]) -> None:
    def work(count: int) -> None:
        renderer("json", BY_COMMAND["merge"])(merge(tuple(read(Path(file), file) for file in many[:count])))

    assert grows_as_expected(work, 25)


def test_time_grows_with_the_number_of_keys(refused: Path) -> None:
    report = read(refused)

    def work(count: int) -> None:
        keys = tuple(replace(report.keys[0], key=f"global.{n}") for n in range(count))
        merge(tuple(replace(report, name=name, keys=keys) for name in "abcdefgh"))

    assert grows_as_expected(work, 1000)


def test_time_grows_with_the_number_of_incidents(refused: Path) -> None:
    """Each failure is an incident of its own."""
    report = read(refused)
    (failed,) = (result for result in report.results if result.status is Status.FAIL)
    failure = next(finding for finding in failed.findings if finding.status is Status.FAIL)

    def work(count: int) -> None:
        findings = tuple(replace(failure, id=f"a.{number}") for number in range(count))
        results = (replace(failed, findings=findings),)
        assert len(merge(tuple(replace(report, name=name, results=results) for name in "ab")).incidents) == count

    assert grows_as_expected(work, 1500)
