"""The tables of README.md and SECURITY.md that are made from the docstrings of the kinds of checks."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
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
    header, pattern = TABLES[name]
    rows = [f"| [`{kind.kind}`](docs/checks.md#{kind.kind}) | {_cell(kind, pattern)} |\n" for kind in checks.load_all()]
    return "".join((f"| kind | {header} |\n|---|---|\n", *rows))


TABLES: Mapping[str, tuple[str, str]] = {
    "proves": ("what it proves", r"Proves\s(.*?)(?=\n\n|\Z)"),
    "writes": ("what it writes", r"\bWrites\s(.*?)(?=\bNeeds\b|\n\n|\Z)"),
    "needs": ("what it needs", r"\bNeeds\s(.*?\.)(?=\s|\Z)"),
}
"""For each table the header of its second column, and what its cell is in the docstring of a kind."""


def _cell(kind: type[Check], pattern: str) -> str:
    match = re.search(pattern, inspect.getdoc(kind) or "", re.DOTALL)
    return _escaped(" ".join(match[1].split())) if match else ""


def _escaped(text: str) -> str:
    """A cell of a Markdown table: ``<`` outside code would begin a tag."""
    parts = text.replace("|", r"\|").split("`")
    return "`".join(part if index % 2 else part.replace("<", "&lt;") for index, part in enumerate(parts))
