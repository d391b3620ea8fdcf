"""Where a file is for those who look at a repository and not at the machine that a CI run was on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def in_repository(named: str, environ: Mapping[str, str]) -> str:
    """The path of a file relative to $GITHUB_WORKSPACE; outside of it, or without one, as it was named."""
    path = Path(named)
    try:
        workspace = Path(environ["GITHUB_WORKSPACE"]).resolve()
        return str((path.parent.resolve() / path.name).relative_to(workspace))
    except (KeyError, OSError, RuntimeError, ValueError):  # RuntimeError: links that lead in a circle
        return named
