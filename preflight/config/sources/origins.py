"""The origin of each value, and findings whose hints name it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from checks.core.finding import Cause, Finding, Status
from checks.core.text import clean
from preflight.config import edits, hints
from preflight.config.origin import DEFAULT, InFile, InVariable, Origin
from preflight.config.schema.keys import BY_PATH

if TYPE_CHECKING:
    from preflight.config.sources.toml_file import TomlFile

_NAME = 200  # characters of a name that came from the operator's file


@dataclass(frozen=True)
class Origins:
    """A file, if there is one, and the variables that win over it (key path → variable). ``lines``: variable → the line
    of a file of variables, for those that are in one.
    """

    file: TomlFile | None
    variables: Mapping[str, str] = field(default_factory=dict)
    lines: Mapping[str, InVariable] = field(default_factory=dict)

    def of(self, path: str) -> Origin:
        """The origin of a key that is set."""
        if path in self.variables:
            name = self.variables[path]
            return self.lines.get(name) or InVariable(name)
        return self.position(path) or DEFAULT

    def has(self, path: str) -> bool:
        """Whether the file has this key."""
        return self.file is not None and path in self.file.lines

    def position(self, path: str) -> InFile | None:
        """The line of the file that holds the key or, if it is missing, its section. None if there is no file."""
        return self.file.position(path) if self.file else None

    def finding(
        self, cause: Cause, *paths: str, message: str, status: Status | None = None, corrected: object = None
    ) -> Finding:
        """A finding that blames these keys. ``corrected`` is the value that the first of them should have, if known."""
        hint = hints.filled(cause.hint, {"blamed": paths}, self._to_edit)
        fields = tuple(clean(path, _NAME) for path in paths)
        remedies = () if corrected is None else edits.set_value(paths[0], corrected, self.of(paths[0]))
        verdict = cause.status if status is None else status
        return Finding(cause.id, cause.layer, verdict, message, hint, fields, remedies=remedies)

    def _to_edit(self, path: str) -> str:
        """``sandbox.provider in mistle.toml:12``, or the variable, ``MISTLE_ENV in prod.env:3``."""
        if path in self.variables:
            name = self.variables[path]
            return f"{name} in {self.lines[name]}" if name in self.lines else name
        if position := self.position(path):
            return f"{clean(path, _NAME)} in {position}"
        return BY_PATH[path].variable if path in BY_PATH else clean(path, _NAME)
