"""action.yml and the examples for CI services and Compose: the linters find nothing in them, and their scripts run.

scripts/ci-examples runs them as GitHub's and GitLab's runners do.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.harness import configs
from tests.harness.format_readers import sarif
from tests.harness.processes import EXAMPLE, ROOT

PROGRAMS = Path(sys.executable).parent
ACTION = ROOT / "action.yml"
GITHUB, GITLAB = ROOT / "deploy/ci/github.yml", ROOT / "deploy/ci/gitlab-ci.yml"
USES = re.compile(r"your-organization/mistle-preflight@\w+")
SCHEMA = ("check-jsonschema", "--builtin-schema")
LINTERS = {
    "zizmor": ("zizmor", "--offline", "--persona=pedantic", ACTION, GITHUB),
    "schema of actions": (*SCHEMA, "vendor.github-actions", ACTION),
    "schema of workflows": (*SCHEMA, "vendor.github-workflows", GITHUB),
    "schema of GitLab": (*SCHEMA, "vendor.gitlab-ci", "--data-transform", "gitlab-ci", GITLAB),
    "schema of Compose": (*SCHEMA, "vendor.compose-spec", ROOT / "deploy/compose/preflight.yaml"),
}


def lint(program: str, *arguments: object) -> tuple[int, str]:
    command = [PROGRAMS / program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("linter", LINTERS)
def test_linter_finds_nothing(linter: str) -> None:
    code, output = lint(*map(str, LINTERS[linter]))
    assert code == 0, output


def workflow_of(folder: Path, text: str) -> Path:
    """The workflow in a project whose root holds the action: actionlint then knows the action's inputs."""
    workflow = folder / ".github/workflows/preflight.yml"
    workflow.parent.mkdir(parents=True)
    (folder / ".git").mkdir()
    shutil.copy(ACTION, folder)
    workflow.write_text(USES.sub("./", text))
    return workflow


def test_actionlint_finds_nothing(tmp_path: Path) -> None:
    code, output = lint("actionlint", "-no-color", "-shellcheck=", workflow_of(tmp_path, GITHUB.read_text()))
    assert code == 0, output


def test_linters_find_faults(tmp_path: Path) -> None:
    """Else their silence would prove nothing."""
    wrong = workflow_of(tmp_path, GITHUB.read_text().replace("sarif: preflight", "serif: preflight"))
    assert "serif" in lint("actionlint", "-no-color", wrong)[1]
    action = tmp_path / "action.yml"
    action.write_text(ACTION.read_text().replace('"$COMMAND" --format', "${{ inputs.command }} --format"))
    assert "template-injection" in lint("zizmor", "--offline", action)[1]
    action.write_text(ACTION.read_text().replace("using: composite", "using: composed"))
    assert lint(*SCHEMA, "vendor.github-actions", action)[0] == 1


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkout that holds a right file and a wrong one, and the command where the action installs it."""
    (tmp_path / "deploy").mkdir()
    shutil.copy(EXAMPLE, tmp_path / "deploy/mistle.toml")
    configs.write(tmp_path, {"email.smtp.port": 0}).rename(tmp_path / "wrong.toml")
    programs = tmp_path / "mistle-preflight/bin"
    programs.mkdir(parents=True)
    (programs / "mistle-preflight").symlink_to(PROGRAMS / "mistle-preflight")
    return tmp_path


def step(folder: Path, **inputs: str) -> tuple[int, dict[str, str]]:
    """Run the action's step with these inputs, as the runner does. Returns the exit code and the outputs."""
    action: dict[str, Any] = yaml.safe_load(ACTION.read_text())
    values = {name: each["default"] for name, each in action["inputs"].items()} | inputs
    check = action["runs"]["steps"][-1]
    given = {name: values[re.findall(r"inputs\.([\w-]+)", text)[0]] for name, text in check["env"].items()}
    outputs = folder / "outputs"
    environment = {"PATH": os.environ["PATH"], "RUNNER_TEMP": str(folder), "GITHUB_OUTPUT": str(outputs), **given}
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", check["run"]]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, check=False)
    return done.returncode, dict(line.split("=") for line in outputs.read_text().splitlines())


def test_action_with_a_valid_configuration(folder: Path) -> None:
    assert step(folder, config="deploy/mistle.toml") == (0, {"exit-code": "0"})


def test_action_passes_its_inputs_on(folder: Path) -> None:
    """An argument may hold a space; no shell reads any of them."""
    arguments = "--ignore-file\nmy $(touch evil) list\n\n"
    (folder / "my $(touch evil) list").write_text("config.out-of-range 2999-12-31 until the mail server is there\n")
    files = {"sarif": "preflight.sarif", "json": "report.json"}
    assert step(folder, config="wrong.toml", **files) == (1, {"exit-code": "1"})
    assert json.loads((folder / "report.json").read_text())["ready"] is False
    assert sarif((folder / "preflight.sarif").read_text())
    assert step(folder, config="wrong.toml", arguments=arguments) == (0, {"exit-code": "0"})
    assert not (folder / "evil").exists()


def test_gitlab_script(folder: Path) -> None:
    jobs = yaml.safe_load(GITLAB.read_text())
    (script,) = jobs["preflight-configuration"]["script"]
    program, *arguments = shlex.split(script)
    assert Path(program).name == "mistle-preflight"
    command = [PROGRAMS / "mistle-preflight", *arguments]
    assert subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 0
    assert (folder / jobs[".preflight"]["artifacts"]["reports"]["junit"]).exists()
