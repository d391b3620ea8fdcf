"""The path of a file in its repository, for readers who do not see the machine of the CI run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def in_repository(named: str, environ: Mapping[str, str]) -> str:
    """The path of a file relative to $GITHUB_WORKSPACE; outside of it, or without it, the path as it was named."""
    path = Path(named)
    try:
        workspace = Path(environ["GITHUB_WORKSPACE"]).resolve()
        return str((path.parent.resolve() / path.name).relative_to(workspace))
    except (KeyError, OSError, RuntimeError, ValueError):  # RuntimeError: a loop of links
        return named
