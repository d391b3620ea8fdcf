"""Mistle's own two Postgres clients, from npm: how they read URLs."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.harness import npm

PACKAGES = ("pg@8.20.0", "postgres@3.4.8")
"""The versions of Mistle."""
_NAME, _SCRIPT = "postgres-clients", Path(__file__).with_suffix(".js")


def unavailable() -> str:
    """Why the clients cannot run here; "" if they can."""
    return npm.unavailable(_NAME, PACKAGES)


def read(urls: Sequence[str]) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """What node-postgres and postgres.js make of each URL; with an ``error`` where they throw."""
    return [tuple(json.loads(line)) for line in npm.output(_SCRIPT, _NAME, urls)]
