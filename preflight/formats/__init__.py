"""One module for each format of what can be printed: ``render(it) -> str``, pure, imported when it is used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from preflight.reference.catalogue import Explanation
    from preflight.report.model import Report
    from preflight.saved.diff import Difference
    from preflight.saved.merge import MergedReport

Printable = TypeVar("Printable")
Target = tuple[str, Path | None]  # a format, and its file or standard output


@dataclass(frozen=True)
class Formats(Mapping[str, Callable[[Printable], str]], Generic[Printable]):
    """By name, in the order in which they are listed; the first is the default. Each is a module of ``package``."""

    package: str
    names: tuple[str, ...]

    def __getitem__(self, name: str) -> Callable[[Printable], str]:
        if name not in self.names:
            raise KeyError(name)
        module: Any = import_module(f"{self.package}.{name}")
        render: Callable[[Printable], str] = module.render
        return render

    def __contains__(self, name: object) -> bool:
        return name in self.names  # without the import of its module

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


FORMATS: Formats[Report] = Formats(
    "preflight.formats", ("text", "json", "junit", "github", "markdown", "prometheus", "html")
)
DIFFERENCE: Formats[Difference] = Formats("preflight.formats.diff", ("text", "json", "markdown"))
MATRIX: Formats[MergedReport] = Formats("preflight.formats.merge", ("text", "json", "markdown", "html"))

EXPLANATION: Formats[Explanation] = Formats("preflight.formats.explanation", ("text", "json"))
SCRIPT: Formats[str] = Formats("preflight.formats.script", ("text",))

BY_COMMAND: Mapping[str, Formats[Any]] = {
    "explain": EXPLANATION,
    "diff": DIFFERENCE,
    "merge": MATRIX,
    "completion": SCRIPT,
}
"""What a command prints where that is no report."""


def of(command: str) -> Formats[Any]:
    """The formats that a command has."""
    return BY_COMMAND.get(command, FORMATS)
