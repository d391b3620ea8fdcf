"""Mistle's own two Postgres clients, from npm: how they read URLs."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tests.harness import npm_packages

PACKAGES = ("pg@8.20.0", "postgres@3.4.8")
"""The versions of Mistle."""
_SCRIPT = Path(__file__).with_suffix(".js")
_NAME = "postgres-clients"

unavailable = partial(npm_packages.unavailable, _NAME, *PACKAGES)
"""Why the clients cannot run here; "" if they can."""


def read(urls: Sequence[str]) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """What node-postgres and postgres.js make of each URL; with an ``error`` where they throw."""
    environment = {"PATH": os.environ["PATH"], "NODE_PATH": str(npm_packages.folder_of(_NAME) / "node_modules")}
    done = subprocess.run(
        ["node", str(_SCRIPT)], input="\n".join(urls), env=environment, capture_output=True, text=True, check=True
    )
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]
