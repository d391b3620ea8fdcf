"""Servers of other makes, which the long profile alone needs: the extra `makes` has them as programs, from PyPI."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from filelock import FileLock

from tests.testbed import runs

_PROJECT = Path(__file__).parents[2]


def unavailable(program: str) -> str:
    """Why the program cannot run here; "" if it can. Installs the extra where it is missing."""
    runs.STATE.mkdir(parents=True, exist_ok=True)
    with FileLock(runs.STATE / "makes.lock"):
        if not _found(program):
            pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", *requirements()]
            subprocess.run(pip, capture_output=True, timeout=300, check=False)
    return "" if _found(program) else f"pip cannot install {program}"


def path_of(program: str) -> str:
    """The path of an available program."""
    return str(_found(program))


def _found(program: str) -> str | None:
    return shutil.which(program, path=str(Path(sys.executable).parent))


def requirements() -> list[str]:
    """What the extra `makes` requires."""
    extras = tomllib.loads((_PROJECT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    return list(extras["makes"])
