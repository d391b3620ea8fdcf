"""What the attacks of the suite measured: one page, made by `scripts/reliability`, never by hand."""

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

A preflight that hangs, leaks or lies is worse than none. The suite attacks this one, on real sockets and real servers:
`scripts/test` with one attack of each class, `scripts/reliability` with all of them, part by part. These are the
figures of the last whole run of each part.
"""
PART = re.compile(r"^<!-- part: (\S+) -->\n", re.MULTILINE)


@dataclass
class Section:
    """What one attack measured: figures in the order in which they came, and a table where it has one.

    ``prose``: the docstring of its module, whose first line is the heading.
    """

    prose: str = ""
    figures: dict[str, str] = field(default_factory=dict)
    cells: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, what: str, value: object) -> None:
        """One line: what was counted or measured, with its unit in ``what`` or ``value``."""
        self.figures[what] = str(value)

    def cell(self, row: str, column: str, outcome: str) -> None:
        """One cell of the table."""
        self.cells[str(row), str(column)] = str(outcome)  # no subclass of str: it is sent to another process

    def __str__(self) -> str:
        heading, _, prose = cleandoc(self.prose).partition("\n")
        figures = _table([("figure", ""), *self.figures.items()]) if self.figures else ""
        return "\n\n".join(filter(None, (f"## {heading.rstrip('.')}", prose.strip(), figures, _grid(self.cells))))


class Figures(dict[str, Section]):
    """The sections by the names of their modules."""

    def of(self, module: ModuleType) -> Section:
        """The section of a module, which is made where it is asked for first."""
        return self.setdefault(module.__name__, Section(module.__doc__ or ""))

    def packed(self) -> list[Any]:
        """As it can be sent from one process to another."""
        return [[name, it.prose, it.figures, list(map(list, it.cells.items()))] for name, it in self.items()]

    def unpack(self, packed: list[Any]) -> None:
        """Add what another process has measured."""
        for name, prose, figures, cells in packed:
            section = self.setdefault(name, Section(prose))
            section.figures |= figures
            section.cells |= {tuple(place): outcome for place, outcome in cells}

    def write(self, file: Path) -> None:
        """The page: these sections, and those that it has of other parts, in the order of their names."""
        _, *kept = PART.split(file.read_text()) if file.exists() else [""]
        parts = dict(zip(kept[::2], map(str.strip, kept[1::2]), strict=True))
        parts |= {name.removeprefix("test_"): str(section) for name, section in self.items()}
        sections = (f"<!-- part: {name} -->\n\n{text}" for name, text in sorted(parts.items()))
        file.write_text("\n\n".join((INTRODUCTION.rstrip(), *sections)) + "\n")


def _grid(cells: Mapping[tuple[str, str], str]) -> str:
    rows, columns = (tuple(dict.fromkeys(entry[side] for entry in cells)) for side in (0, 1))
    lines = [("", *columns), *((row, *(cells.get((row, column), "") for column in columns)) for row in rows)]
    return _table(lines) if cells else ""


def _table(lines: list[tuple[str, ...]]) -> str:
    written = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([written[0], "|" + "---|" * len(lines[0]), *written[1:]])
