"""What the attacks of the suite measured: one page, made by `scripts/reliability`, never by hand."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from inspect import cleandoc
from pathlib import Path
from types import ModuleType

INTRODUCTION = """\
# Reliability

<!-- Made by scripts/reliability, which runs the attacks; change the tests instead. -->

A preflight that hangs, leaks or lies is worse than none. The suite attacks this one, on real sockets and real servers,
in every run; these are the figures of the run that wrote this page.
"""


@dataclass
class Section:
    """What one attack measured: figures in the order in which they came, and a table where it has one."""

    figures: dict[str, str] = field(default_factory=dict)
    cells: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, what: str, value: object) -> None:
        """One line: what was counted or measured, with its unit in ``what`` or ``value``."""
        self.figures[what] = str(value)

    def cell(self, row: str, column: str, outcome: str) -> None:
        """One cell of the table."""
        self.cells[row, column] = outcome

    def __str__(self) -> str:
        figures = _table([("figure", ""), *self.figures.items()]) if self.figures else ""
        return "\n\n".join(filter(None, (figures, _grid(self.cells))))


class Figures(dict[ModuleType, Section]):
    """The sections by attack module. The first line of a module's docstring is its heading, the rest its prose."""

    def write(self, file: Path) -> None:
        """The page. Modules come in the order of their names."""
        parts = [INTRODUCTION.rstrip()]
        for module, section in sorted(self.items(), key=lambda entry: entry[0].__name__):
            heading, _, prose = cleandoc(module.__doc__ or "").partition("\n")
            parts += [f"## {heading.rstrip('.')}", prose.strip(), str(section)]
        file.write_text("\n\n".join(filter(None, parts)) + "\n")


def _grid(cells: Mapping[tuple[str, str], str]) -> str:
    rows, columns = (tuple(dict.fromkeys(entry[side] for entry in cells)) for side in (0, 1))
    lines = [("", *columns), *((row, *(cells.get((row, column), "") for column in columns)) for row in rows)]
    return _table(lines) if cells else ""


def _table(lines: list[tuple[str, ...]]) -> str:
    written = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([written[0], "|" + "---|" * len(lines[0]), *written[1:]])
