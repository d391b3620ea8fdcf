"""Reads the MISTLE_* variables, and overrides a file's tree with them as Mistle does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from checks.core.finding import Finding, Status
from preflight.config import causes, javascript, suggestions
from preflight.config.schema.key import Key
from preflight.config.schema.keys import BOOLEAN, KEYS, VERSION
from preflight.config.schema.types import InvalidValue, UnreadableOverride, meant
from preflight.config.schema.unfilled import unfilled_value
from preflight.config.tree import Path, Tree, dotted, with_value

if TYPE_CHECKING:
    from preflight.config.sources.origins import Origins

_VARIABLES = frozenset(key.variable for key in KEYS)


@dataclass(frozen=True)
class Overrides:
    """``values``: path → value, or InvalidValue if the text could not be read. ``variables``: dotted path → variable.
    ``unknown``: variable → message, for each that only looks like an override. ``lenient``: dotted path → why its text
    would be invalid beside a file.
    """

    values: Mapping[Path, object]
    variables: Mapping[str, str]
    unknown: Mapping[str, str]
    lenient: Mapping[str, str] = field(default_factory=dict)

    def findings(self, origins: Origins) -> tuple[Finding, ...]:
        """Blame the variables that could not be read, and those that only look like overrides."""
        return (
            *(
                origins.finding(value.cause, dotted(path), message=value.message, corrected=value.corrected)
                for path, value in self.values.items()
                if isinstance(value, InvalidValue)
            ),
            *(
                origins.finding(causes.BAD_OVERRIDE, path, message=message, status=Status.WARN)
                for path, message in self.lenient.items()
            ),
            *(
                origins.finding(causes.UNKNOWN_OVERRIDE, message=f"{message}{_place(name, origins)}")
                for name, message in self.unknown.items()
            ),
        )

    def applied(self, tree: Tree) -> Tree:
        """A copy of the tree with these values in it."""
        for path, value in self.values.items():
            tree = with_value(tree, path, UnreadableOverride() if isinstance(value, InvalidValue) else value)
        return tree


def read(environ: Mapping[str, str], *, alone: bool = False) -> Overrides:
    """The overrides in an environment; ``alone``: without a file, where Mistle reads `` TRUE `` as a boolean."""
    values: dict[Path, object] = {}
    variables: dict[str, str] = {}
    lenient: dict[str, str] = {}
    for key in KEYS:
        if key.variable in environ:
            parsed = _entries(key, _value(key, environ[key.variable]))
            if alone and key.type == BOOLEAN:
                parsed = {
                    path: _leniently(value, path, environ[key.variable], lenient) for path, value in parsed.items()
                }
            values.update(parsed)
            variables.update(dict.fromkeys(map(dotted, parsed), key.variable))
    unknown = {name: message for name in _unknown_names(environ) if (message := suggestions.override(name))}
    return Overrides(values, variables, unknown, lenient)


def _place(variable: str, origins: Origins) -> str:
    return f" ({origins.lines[variable]})" if variable in origins.lines else ""


def _leniently(value: object, path: Path, text: str, lenient: dict[str, str]) -> object:
    """The boolean as Mistle reads it without a file; that it would be invalid beside a file is added to ``lenient``."""
    word = javascript.trim(text).lower()
    if not isinstance(value, InvalidValue) or word not in ("true", "false"):
        return value
    lenient[dotted(path)] = f"{value.message}: Mistle reads it so only where there is no file"
    return word == "true"


def _unknown_names(environ: Mapping[str, str]) -> list[str]:
    return sorted(name for name in environ if name.startswith("MISTLE_") and name not in _VARIABLES)


def _value(key: Key, text: str) -> object:
    if not javascript.trim(text):
        return InvalidValue(causes.BLANK_OVERRIDE, "is set but blank: to Mistle that is a value, and a wrong one")
    try:
        return key.type.parse(text)
    except InvalidValue as invalid:
        invalid.corrected = meant(key.type, text)
        return unfilled_value(key, text) or invalid


def _entries(key: Key, value: object) -> dict[Path, object]:
    """One entry, or one for each version of a JSON object."""
    *section, name = key.path.split(".")
    if name == VERSION and isinstance(value, dict):
        return {(*section, version): item for version, item in value.items()}
    return {(*section, name): value}
