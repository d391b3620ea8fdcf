"""What is known of parts that have been run: of which sources, and what they measured."""

import json
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reliability.md"
FOLDER = ROOT / ".reliability"
SOURCES = ("checks", "preflight", "tests", "scripts", "pyproject.toml")


def stamp() -> str:
    """The same while no file that a part is about changes."""
    kept = subprocess.run(["git", "rev-parse", *(f"HEAD:{name}" for name in SOURCES)], **_HERE)
    changed = subprocess.run(["git", "diff", "HEAD", "--", *SOURCES], **_HERE)
    return f"{hash_of(kept.stdout + changed.stdout)}"


def hash_of(text: str) -> str:
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()[:16]


_HERE: dict[str, Any] = {"cwd": ROOT, "capture_output": True, "text": True, "check": True}


class Notes:
    """Lines of JSON in a file, of these sources: those of others are forgotten."""

    def __init__(self, name: str) -> None:
        FOLDER.mkdir(exist_ok=True)
        self._file = FOLDER / f"{name}.jsonl"
        self._stamp = stamp()

    def __iter__(self) -> Iterable[Any]:
        lines = self._file.read_text().splitlines() if self._file.exists() else []
        return (note for made_of, note in map(json.loads, lines) if made_of == self._stamp)

    def add(self, note: Any) -> None:
        with self._file.open("a") as file:
            file.write(json.dumps([self._stamp, note]) + "\n")

    def forget(self) -> None:
        self._file.unlink(missing_ok=True)
