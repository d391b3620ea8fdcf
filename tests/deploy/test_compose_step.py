"""deploy/compose/preflight.yaml: with a real Compose, the migrations start only after a run that is ready."""

import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.harness import configs, profiles
from tests.harness.processes import ROOT
from tests.testbed import Valkey, command_image

pytestmark = profiles.long

MIGRATIONS = {"image": "debian:trixie-slim", "command": ["touch", "/done/migrated"], "volumes": ["./done:/done"]}
OWN = {"services": {"migrations": MIGRATIONS}}
"""An operator's own compose.yaml: the job that stands for the migrations leaves a file."""
FLAGS = ["--stage", "before-deploy", "--only", "valkey"]
HERE = {"services": {"preflight": {"network_mode": "host", "command": FLAGS}}}
"""The servers of the tests are on this machine's loopback, and the other resources do not exist."""


class Project:
    """A folder with the three files, and the configuration."""

    def __init__(self, folder: Path, image: str) -> None:
        self.folder, self.image, self.name = folder, image, f"preflight-{uuid.uuid4().hex}"
        (folder / "compose.yaml").write_text(yaml.safe_dump(OWN))
        (folder / "here.yaml").write_text(yaml.safe_dump(HERE))
        shutil.copy(ROOT / "deploy/compose/preflight.yaml", folder)

    def compose(self, *arguments: str) -> tuple[int, str]:
        """Run Compose: the machine's, or that of the tests' image."""
        files = ("-p", self.name, "-f", "compose.yaml", "-f", "preflight.yaml", "-f", "here.yaml")
        inside = (
            *("docker", "run", "--rm", f"--workdir={self.folder}", f"--env=PREFLIGHT_IMAGE={self.image}"),
            *("--volume=/var/run/docker.sock:/var/run/docker.sock", f"--volume={self.folder}:{self.folder}"),
            "mistle-preflight-test/compose",
        )
        done = subprocess.run([*inside, *files, *arguments], capture_output=True, text=True, check=False, timeout=300)
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project(tmp_path, command_image.build("command"))
    yield made
    made.compose("down", "--volumes")


def test_migrations_start_after_a_run_that_is_ready(project: Project, valkey: Valkey) -> None:
    configs.write(project.folder, {"kv.data_plane.url": valkey.url()})
    code, output = project.compose("up")
    assert code == 0, output
    assert "READY" in output
    assert (project.folder / "done/migrated").exists(), output


def test_migrations_do_not_start_after_a_failure(project: Project, valkey: Valkey) -> None:
    valkey_url = valkey.url().replace(f":{valkey.port}", ":1")
    configs.write(project.folder, {"kv.data_plane.url": valkey_url})
    code, output = project.compose("up")
    assert code != 0, output
    assert 'service "preflight" didn\'t complete successfully: exit 1' in output
    assert "network.refused" in output
    assert not (project.folder / "done/migrated").exists()
