"""Where each value comes from, and findings that say so as the operator would."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from checks.core.check import Finding, Status
from checks.core.text import clean
from preflight.config.schema.keys import BY_PATH

if TYPE_CHECKING:
    from checks.core.check import Cause
    from preflight.config.sources.toml_file import TomlFile

_NAME = 200  # characters of a name that came from the operator's file
DEFAULT = "default"


@dataclass(frozen=True)
class Origins:
    """A file, if there is one, and the variables that win over it (key path → variable)."""

    file: TomlFile | None
    variables: Mapping[str, str] = field(default_factory=dict)

    def of(self, path: str) -> str:
        """For a key that is set: ``mistle.toml:42``, or the variable's name."""
        return self.variables.get(path) or (self.file.place(path) if self.file else DEFAULT)

    def place(self, path: str) -> str:
        """What to edit: ``sandbox.provider in mistle.toml:12``, or the variable; of a missing key, where it belongs."""
        if path in self.variables:
            return self.variables[path]
        if self.file:
            return f"{clean(path, _NAME)} in {self.file.place(path)}"
        return BY_PATH[path].variable if path in BY_PATH else clean(path, _NAME)

    def finding(self, cause: Cause, *paths: str, message: str, status: Status | None = None) -> Finding:
        """A finding that blames these keys."""
        hint = cause.hint.format(blamed=" and ".join(map(self.place, paths)))
        fields = tuple(clean(path, _NAME) for path in paths)
        return Finding(cause.id, cause.layer, cause.status if status is None else status, message, hint, fields)


def place(key: str, origins: Mapping[str, str]) -> str:
    """Where the operator wrote a key: ``email.smtp.port (mistle.toml:42)``."""
    return f"{key} ({origins[key]})" if key in origins else key
