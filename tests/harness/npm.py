"""Mistle's own clients, from npm, to compare the checks with."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from filelock import FileLock

from tests.testbed import runs


def environment(name: str) -> dict[str, str]:
    """The variables of a process of Node that uses the packages of the folder ``name``."""
    return {"PATH": os.environ["PATH"], "NODE_PATH": str(runs.STATE / name / "node_modules")}


def unavailable(name: str, packages: Sequence[str]) -> str:
    """Why the packages, kept in a folder of this name, cannot be used here; "" if they can."""
    missing = [program for program in ("node", "npm") if not shutil.which(program)]
    if missing:
        return f"there is no {missing[0]} on this machine"
    folder, complete = runs.STATE / name, runs.STATE / name / "complete"
    runs.STATE.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if complete.exists() and complete.read_text() == "\n".join(packages):
            return ""
        command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), *packages]
        if subprocess.run(command, capture_output=True, timeout=120, check=False).returncode:
            return "npm cannot install the clients"
        complete.write_text("\n".join(packages))
    return ""


def output(script: Path, name: str, lines: Sequence[str], variables: Mapping[str, str] | None = None) -> list[str]:
    """The lines that a script prints for these lines of its input, with the packages of the folder ``name``."""
    own = environment(name) | dict(variables or {})
    done = subprocess.run(
        ["node", str(script)], input="\n".join(lines), env=own, capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()
