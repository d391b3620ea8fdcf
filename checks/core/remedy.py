"""Remedies: a command to copy, or a line of the configuration as it should stand. None holds a secret."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import Literal, TypeAlias

from checks.core.text import clean

Tool: TypeAlias = Literal["psql", "valkey-cli", "aws", "docker", "shell", "edit"]

MAX_COMMAND, MAX_WHERE = 4000, 400  # characters


@dataclass(frozen=True)
class Remedy:
    """A command for a shell, and where to run it. With the tool ``edit``: a line of the configuration.

    In a diagnosis, an edit is a ``{field}`` and its new value as JSON; ``preflight`` makes the line of them.
    Raises ValueError if the command is not one line of printable text.
    """

    tool: Tool
    where: str
    command: str

    def __post_init__(self) -> None:
        if not is_line(self.command):
            raise ValueError("no line of printable text")
        object.__setattr__(self, "where", clean(self.where, MAX_WHERE))

    @property
    def is_form(self) -> bool:
        """Whether it is an example in the catalogue: a name is left out."""
        return "…" in self.command

    @property
    def lines(self) -> tuple[str, ...]:
        """Where to run the command, as a comment of the shell, then the command after a prompt. An edit is one line.

        No line begins with text from a server.
        """
        if self.tool == "edit":
            return (f"{self.where}: {self.command}",)
        return f"# {self.where}", f"$ {self.command}"


Remedies: TypeAlias = tuple[Remedy, ...]


def command(tool: Tool, where: str, *words: str) -> Remedies:
    """The remedy of these words, quoted for a shell; nothing if one of them does not fit on a line."""
    return line(tool, where, shlex.join(words))


def line(tool: Tool, where: str, text: str) -> Remedies:
    """The remedy of this line; nothing if a format would not show the line as it is."""
    return (Remedy(tool, where, text),) if is_line(text) else ()


def edit(field: str, value: object) -> Remedies:
    """The edit of a field of the check; nothing if its new value does not fit on one line."""
    return line("edit", f"{{{field}}}", json.dumps(value, ensure_ascii=False))


def is_line(text: str) -> bool:
    """Whether every format, and a terminal, shows the text as it is: a copy of it is the same command."""
    return bool(text) and clean(text, MAX_COMMAND) == text
