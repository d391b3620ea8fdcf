"""The origin of a value: a line of the file, a variable, or the default. ``str()`` is the text that is shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TypeAlias

from checks.core.text import clean


@dataclass(frozen=True)
class InFile:
    """A line of the file: ``mistle.toml:42``. ``path`` is without directories; ``line`` is None if it is not known.

    ``name`` is the key as the line has it, ``secure`` or ``smtp.secure``; "" if the line holds more than this key.
    """

    path: str
    line: int | None = None
    name: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", clean(self.path))

    def __str__(self) -> str:
        return f"{self.path}:{self.line}" if self.line else self.path


@dataclass(frozen=True)
class InVariable:
    """An environment variable, ``MISTLE_ENV``, or a line of a file of variables, ``prod.env:12``.

    ``file`` is the path of that file in its repository; "" if the process has the variable.
    """

    name: str
    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        return f"{clean(PurePath(self.file).name, 80)}:{self.line}" if self.file else self.name


@dataclass(frozen=True)
class Default:
    """Mistle's own default: the key is not set."""

    def __str__(self) -> str:
        return "default"


@dataclass(frozen=True)
class InReport:
    """The text of an origin in a report that was read back."""

    text: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", clean(self.text))

    def __str__(self) -> str:
        return self.text


DEFAULT = Default()
Origin: TypeAlias = InFile | InVariable | Default | InReport
