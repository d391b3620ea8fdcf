"""The tables of README.md and SECURITY.md that are made from the docstrings of the kinds of checks."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import checks

if TYPE_CHECKING:
    from checks.core.check import Check

_ROOT = Path(__file__).parents[2]
_TABLE = re.compile(r"(<!-- table: (\w+) -->\n).*?(?=<!-- end -->)", re.DOTALL)


def with_tables(page: str) -> str:
    """The text of a page in the root folder, with each ``<!-- table: NAME -->`` filled from the code."""
    return _TABLE.sub(lambda table: table[1] + _rows(table[2]), (_ROOT / page).read_text(encoding="utf-8"))


def _rows(name: str) -> str:
    header, cell = TABLES[name]
    rows = [f"| [`{kind.kind}`](docs/checks.md#{kind.kind}) | {_escaped(cell(kind))} |\n" for kind in checks.load_all()]
    return "".join((f"| kind | {header} |\n|---|---|\n", *rows))


def _proves(kind: type[Check]) -> str:
    return _manual(kind, r".*?(?=\n\n|\Z)").removeprefix("Proves ")


def _writes(kind: type[Check]) -> str:
    return _manual(kind, r"\bWrites\b.*?(?=\bNeeds\b|\n\n|\Z)").removeprefix("Writes ")


def _needs(kind: type[Check]) -> str:
    return _manual(kind, r"\bNeeds\b.*?\.(?=\s|\Z)").removeprefix("Needs ")


TABLES: Mapping[str, tuple[str, Callable[[type[Check]], str]]] = {
    "proves": ("what it proves", _proves),
    "writes": ("what it writes", _writes),
    "needs": ("what it needs", _needs),
}
"""For each table the header of its second column, and the function that finds the cell of a kind."""


def _manual(kind: type[Check], pattern: str) -> str:
    match = re.search(pattern, inspect.getdoc(kind) or "", re.DOTALL)
    return " ".join(match[0].split()) if match else ""


def _escaped(text: str) -> str:
    """A cell of a Markdown table: ``<`` outside code would begin a tag."""
    parts = text.replace("|", r"\|").split("`")
    return "`".join(part if index % 2 else part.replace("<", "&lt;") for index, part in enumerate(parts))
