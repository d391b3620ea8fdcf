"""Packages from npm, for Mistle's own clients: installed once, outside of the project."""

import shutil
import subprocess
from pathlib import Path

from filelock import FileLock

from tests.testbed import runs


def folder_of(name: str) -> Path:
    """The folder of the packages that `unavailable` installs under this name."""
    return runs.STATE / name


def unavailable(name: str, *packages: str) -> str:
    """Why the packages cannot be used here; "" if they can. Each is a name with a version."""
    missing = [program for program in ("node", "npm") if not shutil.which(program)]
    if missing:
        return f"there is no {missing[0]} on this machine"
    folder = folder_of(name)
    runs.STATE.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        complete = folder / "complete"
        if complete.exists() and complete.read_text() == " ".join(packages):
            return ""
        command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), *packages]
        if subprocess.run(command, capture_output=True, timeout=240, check=False).returncode:
            return "npm cannot install the clients"
        complete.write_text(" ".join(packages))
    return ""
