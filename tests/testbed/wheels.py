"""Wheels that are not installed: they are downloaded once, without what they require."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock

from tests.testbed import runs

WHEELS = runs.STATE / "wheels"


def fetched(*requirements: str) -> Path | None:
    """The folder with the wheels of the requirements; None if pip cannot download them."""
    folder = WHEELS / "+".join(requirements)
    complete = folder / "complete"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "lock", timeout=300):
        if not complete.exists():
            if not _download(folder, requirements):
                return None
            complete.touch()
    return folder


def _download(folder: Path, requirements: Sequence[str]) -> bool:
    pip = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps", "-d", str(folder)]
    done = subprocess.run([*pip, *requirements], capture_output=True, timeout=300, check=False)
    return done.returncode == 0
