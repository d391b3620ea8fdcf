"""What is known of parts that have been run: of which sources, and what they measured."""

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
    """The same while no file that a part is about changes."""
    told = [_git("rev-parse", *(f"HEAD:{name}" for name in SOURCES)), _git("diff", "HEAD", "--", *SOURCES)]
    return hashlib.sha256("".join(told).encode()).hexdigest()[:16]


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout


class Notes:
    """Lines of JSON in a file, of these sources: those of others are forgotten."""

    def __init__(self, name: str) -> None:
        FOLDER.mkdir(exist_ok=True)
        self._file = FOLDER / f"{name}.jsonl"
        self._stamp = stamp()

    def __iter__(self) -> Iterator[Any]:
        lines = self._file.read_text().splitlines() if self._file.exists() else []
        return (note for made_of, note in map(json.loads, lines) if made_of == self._stamp)

    def add(self, note: Any) -> None:
        with self._file.open("a") as file:
            file.write(json.dumps([self._stamp, note]) + "\n")

    def forget(self, *notes: Any) -> None:
        """As if these had never been added."""
        kept = [note for note in self if note not in notes]
        self._file.unlink(missing_ok=True)
        for note in kept:
            self.add(note)
