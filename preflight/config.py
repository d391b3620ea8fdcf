"""A Mistle configuration as Mistle would see it: file, then environment, each value with its origin, every error at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from preflight import causes, javascript, overrides, rules, secrets, toml_file
from preflight.origins import DEFAULT, Origins
from preflight.schema import KEYS, VERSION
from preflight.toml_file import ConfigError
from preflight.validation import Validated, validate

if TYPE_CHECKING:
    from checks.base import Finding
    from preflight.overrides import Overrides
    from preflight.toml_file import TomlFile

__all__ = ["Config", "ConfigError", "load"]

_BREAKING = frozenset(cause.id for cause in causes.BREAKING)


@dataclass(frozen=True)
class Config:
    """``values``: key path → value, trimmed and typed, defaults included, broken ones absent. ``origins``: key path →
    ``mistle.toml:42``, the variable's name or ``default``. ``findings`` blame key paths in their ``fields``.
    ``broken``: keys whose value may not be used for probing. ``keys``: every key that is set or required, in schema
    order, with its origin, None when missing. ``secrets``: every secret in every shape it was written in.
    """

    values: Mapping[str, object] = field(repr=False)
    origins: Mapping[str, str]
    findings: tuple[Finding, ...]
    broken: frozenset[str]
    keys: Mapping[str, str | None]
    secrets: tuple[str, ...] = field(repr=False)


def load(path: Path | None, environ: Mapping[str, str]) -> Config:
    """Read the file (None: the one that $MISTLE_CONFIG_PATH names, else none) and the environment. Raises ConfigError."""
    environ = {name: _as_node_reads(text) for name, text in environ.items() if name.startswith("MISTLE_")}
    file = _file(path, environ)
    over = overrides.read(environ)
    tree = file.tree if file else {}
    origins = Origins(file, over.variables)
    merged = validate(over.over(tree), origins)
    ruled = rules.check(merged.values, origins)
    found = (
        *(_alone(file, over) if file else ()),
        *over.findings(origins),
        *merged.findings,
        *ruled,
    )
    broken = frozenset(path for finding in (*over.findings(origins), *merged.findings, *ruled)
                       if finding.id in _BREAKING for path in finding.fields)
