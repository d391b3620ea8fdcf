"""The Jobs of the Helm chart: their manifests, and how to run their containers as processes."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from preflight.services import SERVICES
from tests.harness.processes import ROOT, preflight
from tests.servers.kubernetes import Pod, Ran, RunPod
from tests.testbed import kubernetes

CHART = ROOT / "deploy/helm/mistle-preflight"


def values(folder: Path, mode: str, **services: dict[str, Any]) -> Path:
    """Values for the Jobs of these services alone, which read their configuration from the Secret `mistle`."""
    file = folder / "values.json"
    given = {"mode": mode, "config": {"secret": "mistle"}, "services": dict.fromkeys(SERVICES) | services}
    file.write_text(json.dumps(given))
    return file


def manifest(folder: Path, **services: dict[str, Any]) -> Path:
    """Their plain manifest."""
    file = folder / "preflight.yaml"
    made = kubernetes.run("helm", "template", "mistle", CHART, "-f", values(folder, "plain", **services))
    file.write_text(made.stdout)
    return file


def in_processes(config: Path, secrets: Mapping[str, Mapping[str, str]]) -> RunPod:
    """Run the containers as processes, which read the file instead of the one in the volume."""

    def run(pod: Pod) -> Sequence[Ran]:
        (container,) = pod["spec"]["containers"]
        names = [each["secretRef"]["name"] for each in container.get("envFrom", [])]
        environ = {key: value for name in names for key, value in secrets[name].items()}
        ended = preflight(*container["args"], env=environ | {"MISTLE_CONFIG_PATH": str(config)})
        return [Ran(ended.code, ended.stderr + ended.stdout)]

    return run
