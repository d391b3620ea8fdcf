"""The image of the command, built of this checkout and of the wheels of all packages that it needs."""

import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from filelock import FileLock

from tests.testbed import runs

ROOT = Path(__file__).parents[2]
WHEELS = runs.STATE / "wheels"


@cache
def build(name: str, *options: str) -> str:
    """Build the Dockerfile, with the options of ``docker build``; returns the name of the image."""
    image = f"mistle-preflight-test/{name}"
    with FileLock(f"{WHEELS}.lock", timeout=900), tempfile.TemporaryDirectory() as folder:
        _run(ROOT / "scripts/wheels", WHEELS)
        _fill(Path(folder))
        _run("docker", "build", "--force-rm", *options, "-t", image, folder)
    return image


def _fill(folder: Path) -> None:
    """The context: what .dockerignore lets through, with the wheels in the place of dist/."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    for name in ("Dockerfile", ".dockerignore", *(line[1:] for line in lines if line.startswith("!"))):
        source = WHEELS if name.startswith("dist") else ROOT / name
        target = folder / name.partition("/*")[0]
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target)


def _run(*command: str | Path) -> None:
    environment = os.environ | {"DOCKER_BUILDKIT": "0"}
    done = subprocess.run([*map(str, command)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
