"""The Helm chart and the plain manifests, by the real Helm and the schemas of Kubernetes.

test_hook.py, test_collect.py and test_podman.py run their Jobs.
"""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from preflight.services import SERVICES
from preflight.version import __version__
from tests.harness import profiles
from tests.harness.jobs import CHART
from tests.harness.processes import ROOT
from tests.testbed import kubernetes

pytestmark = pytest.mark.usefixtures("helm")
PLAIN = ROOT / "deploy/kubernetes/preflight.yaml"
MOUNT = {"name": "docker", "mountPath": "/var/run/docker.sock"}
EVERYTHING = {
    "imagePullSecrets": [{"name": "registry"}],
    "config": {"secret": "mistle-config"},
    "services": {
        **dict.fromkeys(SERVICES),
        "data_plane_worker": {
            "args": ["--wait=60", "--ignore=network.far"],
            "secrets": ["worker", "shared"],
            "configMaps": ["settings"],
            "env": [{"name": "NODE_EXTRA_CA_CERTS", "value": "/etc/ca.pem"}],
            "podLabels": {"app.kubernetes.io/name": "data-plane-worker"},
            "podAnnotations": {"sidecar.istio.io/inject": "false"},
            "nodes": 3,
            "nodeSelector": {"pool": "sandboxes"},
            "tolerations": [{"key": "sandboxes", "operator": "Exists"}],
            "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
            "supplementalGroups": [999],
            "volumes": [{"name": "docker", "hostPath": {"path": "/var/run/docker.sock", "type": "Socket"}}],
            "volumeMounts": [MOUNT],
            "serviceAccountName": "worker",
        },
    },
}
"""Every value of one service, and no other service."""


def template(folder: Path, values: dict[str, Any], *flags: str) -> subprocess.CompletedProcess[str]:
    (folder / "values.yaml").write_text(json.dumps(values))
    return kubernetes.run("helm", "template", "mistle", CHART, "-f", folder / "values.yaml", *flags)


def jobs(folder: Path, values: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The Jobs of these values, by name."""
    done = template(folder, values)
    assert done.returncode == 0, done.stderr
    return {each["metadata"]["name"]: each for each in yaml.safe_load_all(done.stdout)}


def refusal(folder: Path, values: dict[str, Any], *flags: str) -> str:
    done = template(folder, values, *flags)
    assert done.returncode == 1
    return done.stderr


def test_lint_finds_nothing() -> None:
    done = kubernetes.run("helm", "lint", "--strict", CHART)
    assert done.returncode == 0, done.stdout
    assert "[WARNING]" not in done.stdout


@pytest.mark.parametrize("mode", ["hook", "plain"])
def test_each_service_has_a_job(tmp_path: Path, mode: str) -> None:
    made = jobs(tmp_path, {"mode": mode})
    assert made.keys() == {f"mistle-preflight-{service.replace('_', '-')}" for service in SERVICES}
    arguments = {each["spec"]["template"]["spec"]["containers"][0]["args"][0] for each in made.values()}
    assert arguments == {f"--service={service}" for service in SERVICES}


def test_release_may_be_named_after_the_tool() -> None:
    done = kubernetes.run("helm", "template", "staging-preflight", CHART)
    names = {each["metadata"]["name"] for each in yaml.safe_load_all(done.stdout)}
    assert "staging-preflight-dashboard" in names


def test_values_schema_names_the_services_and_the_chart_this_version() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert tuple(schema["properties"]["services"]["properties"]) == tuple(values["services"]) == SERVICES
    assert schema["properties"].keys() == values.keys() | {"global"}
    assert schema["definitions"]["job"]["properties"].keys() == values["defaults"].keys()
    assert chart["appVersion"] == chart["version"] == __version__


def test_hook_runs_before_everything_and_shows_what_failed(tmp_path: Path) -> None:
    job = jobs(tmp_path, {})["mistle-preflight-dashboard"]
    assert job["metadata"]["annotations"] == {
        "helm.sh/hook": "pre-install,pre-upgrade",
        "helm.sh/hook-weight": "-10",
        "helm.sh/hook-delete-policy": "before-hook-creation",
        "helm.sh/hook-output-log-policy": "hook-failed",
    }
    assert job["spec"]["template"]["spec"]["containers"][0]["args"][1:] == ["--stage=before-deploy", "-q"]


def test_plain_job_prints_its_report_as_json(tmp_path: Path) -> None:
    job = jobs(tmp_path, {"mode": "plain", "stage": "live"})["mistle-preflight-dashboard"]
    assert "annotations" not in job["metadata"]
    assert job["spec"]["template"]["spec"]["containers"][0]["args"][1:] == ["--stage=live", "--format=json"]


def test_job_has_no_rights_and_gets_no_traffic(tmp_path: Path) -> None:
    spec = jobs(tmp_path, {})["mistle-preflight-dashboard"]["spec"]
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    assert (spec["backoffLimit"], spec["activeDeadlineSeconds"]) == (2, 240)
    disruption, failure = spec["podFailurePolicy"]["rules"]
    assert disruption == {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    exit_codes = {"containerName": container["name"], "operator": "NotIn", "values": [0]}
    assert failure == {"action": "FailJob", "onExitCodes": exit_codes}
    assert (pod["restartPolicy"], pod["automountServiceAccountToken"], pod["enableServiceLinks"]) == (
        *("Never", False, False),
    )
    assert pod["readinessGates"] == [{"conditionType": "mistle-preflight/never-ready"}]
    assert container["resources"] == {"requests": {"memory": "128Mi"}, "limits": {"memory": "192Mi"}}
    assert container["image"] == f"mistle-preflight:{__version__}"
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_service_has_its_own_values(tmp_path: Path) -> None:
    ((name, job),) = jobs(tmp_path, EVERYTHING).items()
    assert name == "mistle-preflight-data-plane-worker"
    given = EVERYTHING["services"]["data_plane_worker"]
    labels = job["spec"]["template"]["metadata"]["labels"]
    assert labels["app.kubernetes.io/name"] == "data-plane-worker"
    assert labels["mistle-preflight/service"] == "data_plane_worker"
    pod = job["spec"]["template"]["spec"]
    assert {each: pod[each] for each in ("nodeSelector", "tolerations", "affinity", "serviceAccountName")} == {
        each: given[each] for each in ("nodeSelector", "tolerations", "affinity", "serviceAccountName")
    }
    assert pod["securityContext"]["supplementalGroups"] == [999]
    assert pod["volumes"] == [{"name": "config", "secret": {"secretName": "mistle-config"}}, *given["volumes"]]
    (container,) = pod["containers"]
    assert container["args"][-2:] == given["args"]
    assert container["env"] == [{"name": "MISTLE_CONFIG_PATH", "value": "/etc/mistle/mistle.toml"}, *given["env"]]
    assert container["envFrom"] == [
        {"configMapRef": {"name": "settings"}},
        {"secretRef": {"name": "worker"}},
        {"secretRef": {"name": "shared"}},
    ]
    assert container["volumeMounts"][1:] == [MOUNT]


def test_several_nodes_each_have_a_report(tmp_path: Path) -> None:
    """A pod that is not ready fails its own index, and not the pods of other nodes."""
    spec = jobs(tmp_path, EVERYTHING)["mistle-preflight-data-plane-worker"]["spec"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 3, 3)
    assert spec["backoffLimitPerIndex"] == 2
    assert "backoffLimit" not in spec
    assert [rule["action"] for rule in spec["podFailurePolicy"]["rules"]] == ["Ignore", "FailIndex"]
    (spread,) = spec["template"]["spec"]["topologySpreadConstraints"]
    assert (spread["topologyKey"], spread["whenUnsatisfiable"]) == ("kubernetes.io/hostname", "DoNotSchedule")
    selected = spread["labelSelector"]["matchLabels"].items()
    assert selected <= spec["template"]["metadata"]["labels"].items()


@pytest.mark.parametrize("version", profiles.first(1, kubernetes.VERSIONS))
@pytest.mark.parametrize(
    "values",
    [EVERYTHING, *profiles.first(0, [({},), ({"mode": "plain"},)])],
    ids=["every value", "hook", "plain"],
)
def test_kubernetes_knows_every_field(tmp_path: Path, version: str, values: dict[str, Any]) -> None:
    assert kubernetes.validate(template(tmp_path, values).stdout, version) == ""


@profiles.long
@pytest.mark.parametrize("version", kubernetes.VERSIONS)
def test_schemas_find_a_fault(version: str) -> None:
    """Else their silence would prove nothing."""
    wrong = PLAIN.read_text().replace("readinessGates", "readinessGate")
    assert "'readinessGate' was unexpected" in kubernetes.validate(wrong, version)


@pytest.mark.parametrize(
    ("values", "part"),
    profiles.first(
        2,
        [
            ({"services": {"gateway": {}}}, "additional properties 'gateway' not allowed"),
            ({"services": {"dashboard": {"secret": ["one"]}}}, "additional properties 'secret' not allowed"),
            ({"mode": "hooks"}, "value must be one of 'hook', 'plain'"),
            (
                {"config": {"secret": "one", "configMap": "two"}},
                "config.secret and config.configMap: name one of the two",
            ),
            (
                {"nameOverride": "n" * 39},
                "has 39 characters, and the names of Jobs may begin with 38: set nameOverride",
            ),
        ],
    ),
    ids=["service", "field", "mode", "two files", "name"],
)
def test_wrong_values_are_refused(tmp_path: Path, values: dict[str, Any], part: str) -> None:
    assert part in refusal(tmp_path, values)


@pytest.mark.parametrize("page", ["kubernetes.md", "scale.md"])
def test_values_in_the_docs_are_accepted(tmp_path: Path, page: str) -> None:
    (example,) = re.findall(r"^```yaml\n(.*?)^```$", (ROOT / "docs" / page).read_text(), re.MULTILINE | re.DOTALL)
    assert jobs(tmp_path, yaml.safe_load(example))


def test_plain_manifests_are_up_to_date(tmp_path: Path) -> None:
    made = tmp_path / "preflight.yaml"
    environ = {"PATH": "/usr/bin:/bin", "HELM": kubernetes.program("helm")}
    subprocess.run([ROOT / "scripts/manifests", made], env=environ, check=True)
    assert made.read_text() == PLAIN.read_text(), "run scripts/manifests"
