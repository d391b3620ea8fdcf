"""deploy/kubernetes/collect, with the real kubectl, on the chart's manifests: the Jobs' reports become one verdict.

A stand-in for Kubernetes keeps the Jobs; their containers are processes here. test_podman.py runs them in containers.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.harness import configs, profiles
from tests.harness.jobs import in_processes, manifest
from tests.harness.processes import ROOT, Ended
from tests.servers.kubernetes import Cluster, Pod, Ran, RunPod
from tests.testbed import Valkey, kubernetes
from tests.testbed.web import web_server

pytestmark = pytest.mark.usefixtures("helm")
COLLECT = ROOT / "deploy/kubernetes/collect"
INTERRUPTED = '{\n  "schema": "mistle-preflight/1"\n'


def collect(run: RunPod, jobs: Path, *flags: str) -> Ended:
    with web_server(Cluster(run).application()) as api:
        kubectl = f"{kubernetes.program('kubectl')} --server={api.url}"
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        environ = {"PATH": path, "HOME": str(jobs.parent), "KUBECTL": kubectl}
        command = [str(COLLECT), str(jobs), *flags]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120, check=False)
    return Ended(done.returncode, done.stdout, done.stderr)


def test_reports_of_two_services_become_one_verdict(valkey: Valkey, tmp_path: Path) -> None:
    secrets = {"right": {"MISTLE_KV_DATA_PLANE_URL": valkey.url()}, "wrong": {"MISTLE_EMAIL_SMTP_PORT": "1"}}
    services = {
        "data_plane_gateway": {"args": ["--only=valkey"], "secrets": ["right"], "nodes": 2},
        "control_plane_worker": {"args": ["--only=smtp"], "secrets": ["wrong"]},
    }
    file = configs.write(tmp_path, {"email.smtp.host": "127.0.0.1"})
    ended = collect(in_processes(file, secrets), manifest(tmp_path, **services), "-f", "json")
    assert ended.code == 1, ended.stderr
    document = json.loads(ended.stdout)
    vantages = {each["name"]: each["service"] for each in document["vantages"]}
    assert vantages == {
        "control_plane_worker": "control_plane_worker",
        "data_plane_gateway-0@node-0": "data_plane_gateway",
        "data_plane_gateway-1@node-1": "data_plane_gateway",
    }
    verdicts = {each["key"]: each["status"] for each in document["keys"]}
    assert (verdicts["kv.data_plane.url"], verdicts["email.smtp.port"]) == ("ok", "fail")


@profiles.long
def test_report_missing(valkey: Valkey, tmp_path: Path) -> None:
    """A Job whose pod found no node has no report: the verdict is not that of the others alone."""
    good = in_processes(configs.write(tmp_path, {"kv.data_plane.url": valkey.url()}), {})
    jobs = manifest(tmp_path, data_plane_gateway={"args": ["--only=valkey"]}, dashboard={})

    def run(pod: Pod) -> Sequence[Ran]:
        return good(pod) if "data_plane_gateway" in str(pod) else []

    ended = collect(run, jobs)
    assert ended.code == 1
    assert "\nREADY · vantages: 1 · " in ended.stdout
    assert "job.batch/mistle-preflight-dashboard left 0 of 1 reports: Failed DeadlineExceeded" in ended.stderr


@profiles.long
def test_last_pod_counts(valkey: Valkey, tmp_path: Path) -> None:
    """The first pod's node was drained: its report is cut off."""
    good = in_processes(configs.write(tmp_path, {"kv.data_plane.url": valkey.url()}), {})
    jobs = manifest(tmp_path, data_plane_gateway={"args": ["--only=valkey"]})
    ended = collect(lambda pod: [Ran(143, INTERRUPTED), *good(pod)], jobs)
    assert ended.code == 0, ended
    assert "\nREADY · vantages: 1 · " in ended.stdout


@profiles.long
def test_hundreds_of_nodes(valkey: Valkey, tmp_path: Path) -> None:
    """Each fails at the same key: one failure, with every node that saw it."""
    run = in_processes(configs.write(tmp_path, {"kv.data_plane.url": valkey.url("wrong")}), {})
    reports: list[Ran] = []

    def once(pod: Pod) -> Sequence[Ran]:
        """They differ in nothing."""
        reports.extend(() if reports else run(pod))
        return reports

    jobs = manifest(tmp_path, data_plane_gateway={"args": ["--only=valkey"], "nodes": 200})
    ended = collect(once, jobs, "-f", "json")
    assert ended.code == 1, ended.stderr
    document = json.loads(ended.stdout)
    assert {each["name"] for each in document["vantages"]} == {f"data_plane_gateway-{i}@node-{i}" for i in range(200)}
    (failure,) = (each for each in document["findings"] if each["status"] == "fail")
    assert len(failure["vantages"]) == 200


@profiles.long
def test_no_report(tmp_path: Path) -> None:
    jobs = manifest(tmp_path, dashboard={"nodes": 2})
    ended = collect(lambda pod: [Ran(137, None if "node-1" in str(pod) else "")], jobs)
    assert (ended.code, ended.stdout) == (1, "")
    assert "left 0 of 2 reports: Failed PodFailurePolicy" in ended.stderr


@profiles.long
def test_run_that_could_not_start(tmp_path: Path) -> None:
    """It writes to standard error too, and `kubectl logs` does not distinguish the two streams."""
    jobs = manifest(tmp_path, dashboard={})
    ended = collect(in_processes(tmp_path / "absent.toml", {}), jobs, "-f", "json")
    assert ended.code == 1
    assert "config.unreadable" in ended.stdout


@profiles.long
def test_no_kubernetes(tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "KUBECTL": f"{kubernetes.program('kubectl')} --server=http://127.0.0.1:1"}
    done = subprocess.run([COLLECT, tmp_path / "none.yaml"], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
