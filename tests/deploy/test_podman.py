"""The chart's Jobs in real containers, by Podman's `kube play`, with their Secrets and ConfigMaps; and one verdict.

Podman knows no Kubernetes API and no failure policy: test_collect.py and test_hook.py have those.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.harness import configs, profiles
from tests.harness.jobs import manifest
from tests.harness.processes import preflight
from tests.testbed import Valkey, command_image, podman_engine
from tests.testbed.engine import podman

pytestmark = [profiles.long, pytest.mark.usefixtures("helm")]
SERVICES = {
    "control_plane_worker": {"args": ["--only=smtp"], "secrets": ["worker"], "configMaps": ["settings"]},
    "data_plane_gateway": {"args": ["--only=valkey"], "secrets": ["gateway"], "configMaps": ["settings"]},
}


def objects(folder: Path, valkey: Valkey, image: str) -> str:
    """The Jobs, and what they read. Without limits: a container in a container may lack the memory controller."""
    jobs = [*yaml.safe_load_all(manifest(folder, **SERVICES).read_text())]
    for job in jobs:
        (container,) = job["spec"]["template"]["spec"]["containers"]
        container["image"] = image
        del container["resources"]
    file = configs.write(folder, {"email.smtp.secure": False})
    url = f"redis://{valkey.address}/{valkey.database}"
    data = {
        "mistle": {"mistle.toml": file.read_text()},
        "gateway": {"MISTLE_KV_DATA_PLANE_URL": url},
        "worker": {"MISTLE_EMAIL_SMTP_PORT": "1"},
    }
    secrets: list[dict[str, Any]] = [_object("Secret", name, stringData=each) for name, each in data.items()]
    settings = _object("ConfigMap", "settings", data={"MISTLE_EMAIL_SMTP_HOST": "127.0.0.1"})
    return yaml.safe_dump_all([*secrets, settings, *jobs])


def _object(kind: str, name: str, **content: object) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, **content}


def test_jobs_of_two_services_become_one_verdict(valkey: Valkey, tmp_path: Path) -> None:
    image = command_image.build("command")
    reports = {}
    with podman_engine() as engine:
        shared = engine.socket.parent
        subprocess.run(["docker", "save", "-o", shared / "image.tar", image], check=True)
        assert podman(engine, "load", "-i", "/engine/image.tar")[0] == 0
        (shared / "jobs.yaml").write_text(objects(tmp_path, valkey, f"localhost/{image}"))
        code, output = podman(engine, "kube", "play", "--network=host", "/engine/jobs.yaml")
        assert code == 0, output
        for service, expected in {"control-plane-worker": "1", "data-plane-gateway": "0"}.items():
            container = f"mistle-preflight-{service}-pod-preflight"
            ended = podman(engine, "wait", container)[1].strip()
            _, reports[service] = podman(engine, "logs", container)
            assert ended == expected, reports[service]
    files = [tmp_path / service for service in reports]
    for file in files:
        file.write_text(reports[file.name])
    merged = json.loads(preflight("merge", *files, "-f", "json").stdout)
    verdicts = {each["key"]: each["status"] for each in merged["keys"]}
    assert (verdicts["kv.data_plane.url"], verdicts["email.smtp.port"]) == ("ok", "fail")
    assert [each["service"] for each in merged["vantages"]] == ["control_plane_worker", "data_plane_gateway"]
