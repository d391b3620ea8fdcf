"""The report as metrics: read by Prometheus's own client, and checked by the rules of promtool's linter."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.metrics_core import Metric

from checks.core.finding import Status
from checks.core.text import clean
from preflight.config.origin import InFile
from preflight.formats import renderer
from preflight.formats.prometheus import METRICS
from preflight.report.model import KeyVerdict, Report
from tests.harness.format_readers import prometheus
from tests.harness.reports import CONFIG, DIRECT, ENDINGS, EVICTS, REJECTED, REPORT, URL, VALKEY, of

PREFIX = "mistle_preflight_"


def families(report: Report) -> dict[str, Metric]:
    return {name.removeprefix(PREFIX): family for name, family in prometheus(renderer("prometheus")(report)).items()}


def values(name: str, *labels: str, report: Report = REPORT) -> dict[tuple[str, ...], float]:
    """The samples of a metric, by these labels."""
    samples = families(report)[name].samples
    found = {tuple(sample.labels[label] for label in labels): sample.value for sample in samples}
    assert len(found) == len(samples)
    return found


def test_run():
    assert values("ready") == {(): 0.0}
    assert values("exit_code") == {(): 1.0}
    assert values("last_run_timestamp_seconds") == {(): REPORT.started_at.timestamp()}
    assert values("run_duration_seconds") == {(): 0.81}
    assert values("info", "version") == {("1.2.3",): 1.0}


@pytest.mark.parametrize("ending", ENDINGS)
def test_ready_and_exit_code_match_the_run(ending: str):
    report = ENDINGS[ending]
    assert values("ready", report=report) == {(): report.ready}
    assert values("exit_code", report=report) == {(): report.exit_code}


def test_every_check_has_a_status_and_a_duration():
    assert values("check_status", "check", "kind") == {
        ("config", "config"): 0.0,
        ("postgres.control_plane.direct", "postgres"): 3.0,
        ("postgres.control_plane.pooled", "postgres"): 1.0,
        ("kv.data_plane", "valkey"): 2.0,
    }
    assert values("check_duration_seconds", "check")["kv.data_plane",] == 12.5


def test_every_key_has_a_status_and_whether_it_was_probed():
    status, probed = values("key_status", "key"), values("key_probed", "key")
    assert list(status) == list(probed) == [(verdict.key,) for verdict in REPORT.keys]
    assert (status[URL,], probed[URL,]) == (3.0, 1.0)
    assert (status["global.env",], probed["global.env",]) == (0.0, 0.0)


def test_findings_are_counted_by_their_id():
    report = of(CONFIG, DIRECT, replace(DIRECT, name="postgres.data_plane.direct"), VALKEY)
    assert values("findings", "id", "status", report=report) == {
        ("postgres.password-rejected", "fail"): 2.0,
        ("valkey.evicts-keys", "warn"): 1.0,
    }


@pytest.mark.parametrize("name", [metric.name for metric in METRICS])
def test_runs_of_other_stages_and_services_are_other_series(name: str):
    family = families(replace(REPORT, stage="before-deploy", service="dashboard"))[name]
    assert {(sample.labels["stage"], sample.labels["service"]) for sample in family.samples} == {
        ("before-deploy", "dashboard")
    }


def test_help_explains_the_numbers():
    assert "0 ok, 1 skip, 2 warn, 3 fail" in families(REPORT)["key_status"].documentation
    assert "0 ok, 1 skip, 2 warn, 3 fail" in families(REPORT)["check_status"].documentation


@pytest.mark.parametrize("ending", ENDINGS)
def test_linter_reports_nothing(ending: str):
    """Names in snake case with their unit at the end, help and type once for each, no suffix of another type."""
    lines = renderer("prometheus")(ENDINGS[ending]).splitlines()
    helped = [line.split()[2] for line in lines if line.startswith("# HELP ")]
    typed = [line.split()[2:] for line in lines if line.startswith("# TYPE ")]
    sampled = [re.split(r"[{ ]", line)[0] for line in lines if not line.startswith("#")]
    assert [[name, "gauge"] for name in helped] == typed
    assert len(set(helped)) == len(helped)
    assert set(sampled) <= set(helped)
    assert sampled == sorted(sampled, key=helped.index)
    for name in helped:
        assert re.fullmatch(r"mistle_preflight(_[a-z]+)+", name)
        assert not re.search(r"_(total|count|sum|bucket|milliseconds|minutes|ms|gauge|counter)$", name)
        assert ("duration" in name or "timestamp" in name) is name.endswith("_seconds")
    assert all(re.match(r"# HELP \w+ \S.*\.", line) for line in lines if line.startswith("# HELP "))


def labels(report: Report) -> set[tuple[tuple[str, str], ...]]:
    """Every series of a report, without its value."""
    found = families(report).values()
    return {(("", sample.name), *sample.labels.items()) for family in found for sample in family.samples}


def test_series_do_not_depend_on_messages():
    """Otherwise an alert on a series would end because a message changed."""
    words = replace(REJECTED, message="10.0.0.7:5432 says 17", hint="at 12:00", layer=EVICTS.layer, seconds=3.0)
    keys = tuple(replace(verdict, evidence="none", origin=InFile("other.toml", 9)) for verdict in REPORT.keys)
    changed = tuple(
        replace(result, target="other:1", seconds=9.0, findings=(words,)) if result is DIRECT else result
        for result in REPORT.results
    )
    assert labels(replace(REPORT, results=changed, keys=keys, seconds=7.0)) == labels(REPORT)


def test_number_of_series_is_limited_by_checks_keys_and_causes():
    found = {finding.id for finding in REPORT.findings if finding.status >= Status.WARN}
    assert len(labels(REPORT)) == 5 + 2 * len(REPORT.results) + 2 * len(REPORT.keys) + len(found)


WORDS = st.text(st.sampled_from('a"\\\n{}= #,é\x85\u2028\ud800') | st.characters(), max_size=30)


@given(name=WORDS, kind=WORDS, key=WORDS, id_=WORDS)
def test_names_are_unchanged(name: str, kind: str, key: str, id_: str):
    result = replace(DIRECT, name=name, kind=kind, findings=(replace(REJECTED, id=id_),))
    report = of(result, keys=(KeyVerdict(key, Status.FAIL, "none", None),))
    assert values("check_status", "check", "kind", report=report) == {(clean(name), clean(kind)): 3.0}
    assert values("key_status", "key", report=report) == {(clean(key),): 3.0}
    assert values("findings", "id", "status", report=report) == {(clean(id_), "fail"): 1.0}


def test_names_that_look_the_same_are_one_series_with_the_worst_value():
    keys = tuple(KeyVerdict(key, status, "none", None) for key, status in (("a\x00", Status.FAIL), ("a", Status.OK)))
    assert values("key_status", "key", report=of(CONFIG, keys=keys)) == {("a",): 3.0}


def test_callers_multiprocess_folder_is_left_alone(tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    assert values("ready") == {(): 0.0}
    assert list(tmp_path.iterdir()) == []
