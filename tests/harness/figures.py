"""The page of what the attacks measured; `scripts/reliability` writes it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from inspect import cleandoc
from pathlib import Path
from types import ModuleType
from typing import Any

INTRODUCTION = """\
# Reliability

<!-- Made by scripts/reliability, which runs the attacks; change the tests instead. -->

A preflight that hangs, leaks a secret or reports something false is worse than none. The suite attacks this one, on
real sockets and real servers: `scripts/test` makes one attack of each class, `scripts/reliability` makes all of them,
part by part. The figures are those of the last complete run of each part.
"""
PART = re.compile(r"^<!-- part: (\S+) -->\n", re.MULTILINE)


@dataclass
class Section:
    """The measurements of one attack: figures in the order of measurement, and a table if it has one.

    ``prose``: the docstring of its module, whose first line is the heading.
    """

    prose: str = ""
    figures: dict[str, str] = field(default_factory=dict)
    cells: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, label: str, value: object) -> None:
        """Add one line: what was counted or measured, with its unit in ``label`` or ``value``."""
        self.figures[label] = str(value)

    def cell(self, row: str, column: str, outcome: str) -> None:
        """Set one cell of the table."""
        self.cells[str(row), str(column)] = str(outcome)  # no subclass of str: another process receives it

    def __str__(self) -> str:
        heading, _, prose = cleandoc(self.prose).partition("\n")
        figures = _table([("figure", ""), *self.figures.items()]) if self.figures else ""
        return "\n\n".join(filter(None, (f"## {heading.rstrip('.')}", prose.strip(), figures, _grid(self.cells))))


class Figures(dict[str, Section]):
    """The sections by the names of their modules."""

    def of(self, module: ModuleType) -> Section:
        """The section of a module, made at its first use."""
        return self.setdefault(module.__name__.rpartition(".")[2], Section(module.__doc__ or ""))

    def packed(self) -> list[Any]:
        """The sections in a form that one process can send to another."""
        return [
            [name, section.prose, section.figures, list(map(list, section.cells.items()))]
            for name, section in self.items()
        ]

    def unpack(self, packed: list[Any]) -> None:
        """Add the measurements of another process."""
        for name, prose, figures, cells in packed:
            section = self.setdefault(name, Section(prose))
            section.figures |= figures
            section.cells |= {tuple(cell): outcome for cell, outcome in cells}

    def write(self, file: Path) -> None:
        """Write the page: these sections, and those of other parts that it holds, in the order of their names."""
        _, *kept = PART.split(file.read_text()) if file.exists() else [""]
        parts = dict(zip(kept[::2], map(str.strip, kept[1::2]), strict=True))
        parts |= {name.rpartition(".")[2].removeprefix("test_"): str(section) for name, section in self.items()}
        sections = (f"<!-- part: {name} -->\n\n{text}" for name, text in sorted(parts.items()))
        file.write_text("\n\n".join((INTRODUCTION.rstrip(), *sections)) + "\n")


def _grid(cells: Mapping[tuple[str, str], str]) -> str:
    rows, columns = (tuple(dict.fromkeys(entry[side] for entry in cells)) for side in (0, 1))
    lines = [("", *columns), *((row, *(cells.get((row, column), "") for column in columns)) for row in rows)]
    return _table(lines) if cells else ""


def _table(lines: list[tuple[str, ...]]) -> str:
    written = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([written[0], "|" + "---|" * len(lines[0]), *written[1:]])
