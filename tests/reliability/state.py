"""The parts that have run, with the state of their sources, and what they measured."""

import hashlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reliability.md"
FOLDER = ROOT / ".reliability"
SOURCES = ("checks", "preflight", "tests", "scripts", "pyproject.toml")


def stamp() -> str:
    """A hash that stays the same while no source changes."""
    states = [_git("rev-parse", *(f"HEAD:{name}" for name in SOURCES)), _git("diff", "HEAD", "--", *SOURCES)]
    return hashlib.sha256("".join(states).encode()).hexdigest()[:16]


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout


class Notes:
    """Lines of JSON in a file. Those of another state of the sources are ignored."""

    def __init__(self, name: str) -> None:
        FOLDER.mkdir(exist_ok=True)
        self._file = FOLDER / f"{name}.jsonl"
        self._stamp = stamp()

    def __iter__(self) -> Iterator[Any]:
        lines = self._file.read_text().splitlines() if self._file.exists() else []
        return (note for stamp, note in map(json.loads, lines) if stamp == self._stamp)

    def add(self, note: Any) -> None:
        with self._file.open("a") as file:
            file.write(json.dumps([self._stamp, note]) + "\n")

    def forget(self, *notes: Any) -> None:
        """Remove these notes."""
        kept = [note for note in self if note not in notes]
        self._file.unlink(missing_ok=True)
        for note in kept:
            self.add(note)
