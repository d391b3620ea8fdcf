"""Mistle's own two Postgres clients, from npm: how they read URLs."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

from tests.testbed import runs

PACKAGES = ("pg@8.20.0", "postgres@3.4.8")
"""The versions of Mistle."""
_SCRIPT = Path(__file__).with_suffix(".js")
_FOLDER = runs.STATE / "postgres-clients"


def unavailable() -> str:
    """Why the clients cannot run here; "" if they can."""
    missing = [program for program in ("node", "npm") if not shutil.which(program)]
    if missing:
        return f"there is no {missing[0]} on this machine"
    runs.STATE.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{_FOLDER}.lock"):
        if (_FOLDER / "complete").exists():
            return ""
        command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(_FOLDER), *PACKAGES]
        if subprocess.run(command, capture_output=True, timeout=120, check=False).returncode:
            return "npm cannot install the clients"
        (_FOLDER / "complete").touch()
    return ""


def read(urls: Sequence[str]) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """What node-postgres and postgres.js make of each URL; with an ``error`` where they throw."""
    environment = {"PATH": os.environ["PATH"], "NODE_PATH": str(_FOLDER / "node_modules")}
    done = subprocess.run(
        ["node", str(_SCRIPT)], input="\n".join(urls), env=environment, capture_output=True, text=True, check=True
    )
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]
