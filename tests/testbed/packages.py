"""Packages that are kept apart from those of the tests: pip downloads or installs each once, in a folder of its own."""

import subprocess
import sys
from pathlib import Path

from filelock import FileLock

from tests.testbed import runs

PACKAGES = runs.STATE / "packages"


def downloaded(*requirements: str) -> Path | None:
    """The folder with their wheels, without what these require; None if pip cannot download them."""
    return _kept(requirements, "download", "--no-deps", "--dest")


def installed(*requirements: str) -> Path | None:
    """The folder with their modules; None if pip cannot install them.

    Run a module with `python -m`: what is in `bin` runs the Python that installed it, which may be gone.
    """
    return _kept(requirements, "install", "--target")


def _kept(requirements: tuple[str, ...], *command: str) -> Path | None:
    folder = PACKAGES / "+".join(requirements)
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "lock", timeout=300):
        if not (folder / "complete").exists():
            pip = [sys.executable, "-m", "pip", *command, str(folder), "-q", "--disable-pip-version-check"]
            if subprocess.run([*pip, *requirements], capture_output=True, timeout=300, check=False).returncode:
                return None
            (folder / "complete").touch()
    return folder
