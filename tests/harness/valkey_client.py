"""Mistle's own Valkey client, node-redis from npm: how it reads URLs, and whether it can work at a server."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.harness import npm

PACKAGES = ("redis@5.12.1",)
"""Its last version whose default is RESP 2."""
_NAME, _SCRIPT = "valkey-client", Path(__file__).with_suffix(".js")


def unavailable() -> str:
    """Why the client cannot run here; "" if it can."""
    return npm.unavailable(_NAME, PACKAGES)


def read(urls: Sequence[str]) -> list[Mapping[str, Any]]:
    """What it makes of each URL; with an ``error`` where it throws."""
    return [json.loads(line) for line in npm.output(_SCRIPT, _NAME, [f"read {url}" for url in urls])]


def failure(url: str, prefix: str = "mistle", roots: Path | None = None) -> str:
    """The error that it meets when it works there as Mistle does; "" if all goes well."""
    variables = {"NODE_EXTRA_CA_CERTS": str(roots)} if roots else {}
    (line,) = npm.output(_SCRIPT, _NAME, [f"work {url} {prefix}"], variables)
    return str(json.loads(line))
