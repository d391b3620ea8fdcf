"""The chart's hooks, with the real Helm: a release starts when all Jobs are ready, and stops at the first that is not.

A stand-in for Kubernetes keeps the Jobs; their containers are processes here.
"""

import os
import subprocess
from pathlib import Path

import pytest

from tests.harness import configs, profiles
from tests.harness.jobs import CHART, in_processes, values
from tests.harness.processes import Ended
from tests.servers.kubernetes import Cluster
from tests.testbed import Valkey, kubernetes
from tests.testbed.web import web_server

pytestmark = [profiles.long, pytest.mark.usefixtures("helm")]
SERVICES = {
    "control_plane_worker": {"args": ["--only=smtp"], "secrets": ["worker"]},
    "data_plane_gateway": {"args": ["--only=valkey"], "secrets": ["gateway"]},
}
JOBS = ["mistle-preflight-control-plane-worker", "mistle-preflight-data-plane-gateway"]


def upgrade(cluster: Cluster, file: Path) -> Ended:
    with web_server(cluster.application()) as api:
        command = [kubernetes.program("helm"), "upgrade", "--install", "mistle", str(CHART), "-f", str(file)]
        environ = {"PATH": os.environ["PATH"], "HOME": str(file.parent)}
        command += ["--kube-apiserver", api.url, "--timeout=60s"]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120, check=False)
    return Ended(done.returncode, done.stdout, done.stderr)


def cluster(folder: Path, smtp: str, valkey: str) -> Cluster:
    secrets = {"worker": {"MISTLE_EMAIL_SMTP_PORT": smtp}, "gateway": {"MISTLE_KV_DATA_PLANE_URL": valkey}}
    changes = {"email.smtp.host": "127.0.0.1", "email.smtp.secure": False}
    return Cluster(in_processes(configs.write(folder, changes), secrets))


def test_first_job_that_is_not_ready_stops_the_release(valkey: Valkey, tmp_path: Path) -> None:
    made = cluster(tmp_path, smtp="1", valkey=valkey.url())
    ended = upgrade(made, values(tmp_path, "hook", **SERVICES))
    assert ended.code == 1
    assert "failed pre-install" in ended.stderr
    assert "network.refused" in ended.stderr + ended.stdout
    assert [*made.jobs] == JOBS[:1]


def test_release_starts_when_all_are_ready(valkey: Valkey, tmp_path: Path) -> None:
    made = cluster(tmp_path, smtp="1", valkey=valkey.url())
    ended = upgrade(made, values(tmp_path, "hook", data_plane_gateway=SERVICES["data_plane_gateway"]))
    assert ended.code == 0, ended.stderr
    assert "STATUS: deployed" in ended.stdout
    assert [*made.jobs] == JOBS[1:]
