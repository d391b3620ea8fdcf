"""Loads a configuration as Mistle does, with the origin of each value and all findings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field, replace
from pathlib import Path

from checks.core.finding import Cause, Finding, Status
from preflight.config import causes, javascript, secrets
from preflight.config.origin import DEFAULT, InFile, InVariable, Origin
from preflight.config.schema.keys import KEYS, VERSION, key_of
from preflight.config.sources import environment, toml_file
from preflight.config.sources.environment import Overrides
from preflight.config.sources.origins import Origins
from preflight.config.sources.toml_file import ConfigError, TomlFile
from preflight.config.validation import cross_key
from preflight.config.validation.against_schema import validate
from preflight.config.validation.combined import combined
from preflight.config.validation.context import Context
from preflight.config.validation.without_file import GENERATED
from preflight.config.values import Values

__all__ = ["Config", "ConfigError", "load"]

_STDIN = 0  # its file descriptor
_NOTHING = (
    "there is no configuration: name a file with --config or MISTLE_CONFIG_PATH, or set the MISTLE_* variables, "
    "perhaps with --env-file"
)


@dataclass(frozen=True)
class Config:
    """A configuration. ``values``: key path → value, trimmed and typed, with defaults, without those that are broken.
    ``origins``: key path → origin, of every key that is set, has a default or is unknown.
    ``findings`` blame key paths in their ``fields``. ``broken``: keys whose value may not be used for probing.
    ``keys``: every key that is set or required, in schema order, with its origin, None when missing.
    ``missing``: the required keys that are not set, with the line of the file that they belong below; empty without
    a file. ``secrets``: every secret in every form in which it was written.
    """

    values: Values
    origins: Mapping[str, Origin]
    findings: tuple[Finding, ...]
    broken: frozenset[str]
    keys: Mapping[str, Origin | None]
    secrets: tuple[str, ...] = field(repr=False)
    missing: Mapping[str, InFile] = field(default_factory=dict)


def load(
    path: Path | None,
    environ: Mapping[str, str],
    seconds: float = 10.0,
    service: str | None = None,
    lines: Mapping[str, InVariable] | None = None,
) -> Config:
    """Read a file (``-``: standard input; None: the one that $MISTLE_CONFIG_PATH names, if any) within ``seconds``, and
    the environment over it; for one ``service``, or for all. ``lines``: of the variables that are in a file. Raises
    ConfigError.
    """
    source = _STDIN if is_standard_input(path) else path or _path(environ)
    file = None if source is None else _read(source, environ, seconds)
    environ = {name: _as_node_reads(text) for name, text in environ.items() if name.startswith("MISTLE_")}
    over = environment.read(environ, alone=file is None)
    if not file and not over.variables:
        raise ConfigError(_NOTHING)
    origins = Origins(file, over.variables, lines or {})
    return _config(origins, over, environ, secrets.collect(file.tree if file else {}, environ), service)


def _read(source: Path | int, environ: Mapping[str, str], seconds: float) -> TomlFile:
    """The file. Raises ConfigError, with advice if it is one that only the single container has."""
    try:
        return toml_file.read(source, seconds)
    except ConfigError as error:
        if str(source) not in (GENERATED, environ.get("MISTLE_GENERATED_CONFIG_PATH")):
            raise
        raise ConfigError(f"{error}; the single container writes this file when it starts: run this there") from None


def is_standard_input(path: Path | None) -> bool:
    """Whether a path on the command line means standard input. (In the variable, Mistle reads a file of this name.)"""
    return path == Path("-")


def _config(
    origins: Origins,
    over: Overrides,
    environ: Mapping[str, str],
    secrets: tuple[str, ...],
    service: str | None,
) -> Config:
    file = origins.file
    tree = over.applied(file.tree if file else {})
    merged = validate(tree, origins)
    of_file = tuple(_findings_of_file(file, over, origins)) if file else ()
    invalid = (*over.findings(origins), *merged.findings, *cross_key.apply_rules(Values(merged.values), tree, origins))
    findings = combined((*of_file, *invalid), origins, environ, service)
    broken = _blamed(tuple(finding for finding in invalid if finding.status is Status.FAIL), causes.BREAKING)
    defaults = {key.path: key.default for key in KEYS if key.default is not None and key.path not in merged.present}
    written = merged.present | _blamed(invalid, (causes.UNKNOWN_KEY,))
    missing = (merged.missing | _blamed(of_file, (causes.MISSING,))) - merged.present
    return Config(
        Values({path: value for path, value in merged.values.items() if path not in broken} | defaults),
        {path: origins.of(path) for path in written} | dict.fromkeys(defaults, DEFAULT),
        _sorted(findings),
        broken,
        {path: origins.of(path) if path in merged.present else None for path in _in_order(merged.present | missing)},
        secrets,
        {path: position for path in missing if (position := origins.position(path))},
    )


def _blamed(findings: tuple[Finding, ...], by: tuple[Cause, ...]) -> frozenset[str]:
    """The keys that failures of these causes blame."""
    ids = {cause.id for cause in by}
    failures = (finding for finding in findings if finding.id in ids and finding.status is Status.FAIL)
    return frozenset(path for finding in failures for path in finding.fields)


def _path(environ: Mapping[str, str]) -> Path | None:
    """The file that the environment names. Raises ConfigError."""
    name = environ.get("MISTLE_CONFIG_PATH")
    if name is None:
        return None
    if not javascript.trim(name):
        raise ConfigError(
            "MISTLE_CONFIG_PATH is set but blank: name the file, or unset it to configure by variables alone"
        )
    return Path(name)


def _as_node_reads(text: str) -> str:
    """The text as Node decodes it: with a replacement character for each byte that is not UTF-8."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _findings_of_file(file: TomlFile, over: Overrides, origins: Origins) -> Iterator[Finding]:
    """Mistle validates the file on its own before it reads the environment."""
    supplied = set(over.variables.values())
    alone = validate(file.tree, Origins(file))
    active = cross_key.active_key(Context(Values(alone.values), file.tree, Origins(file)))
    for finding in (*alone.findings, *active):
        path = finding.fields[0]
        if finding.id == causes.MISSING.id and key_of(path).variable in supplied:
            message = f"is missing from the file, and only {key_of(path).variable} supplies it"
            yield origins.finding(causes.ONLY_IN_ENVIRONMENT, path, message=message)
        elif variable := over.variables.get(path) or _version_supplied(finding, supplied):
            message = f"{finding.message} ({variable} overrides it, but Mistle validates the file first)"
            yield replace(finding, message=message)
        else:
            yield finding


def _version_supplied(finding: Finding, variables: Set[str]) -> str:
    """The variable that adds master keys, if the finding is about them."""
    keys = key_of(f"{cross_key.MASTER_KEYS}.{VERSION}").variable
    return keys if finding.id == causes.ACTIVE_KEY_MISSING.id and keys in variables else ""


def _sorted(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Each finding once, in schema order; those that blame no key of the schema come last."""
    blamed = {path for finding in findings for path in finding.fields}
    order = {path: number for number, path in enumerate(_in_order(blamed))}
    return tuple(
        sorted(dict.fromkeys(findings), key=lambda finding: order.get(next(iter(finding.fields), ""), len(order)))
    )


def _in_order(paths: Set[str]) -> Iterator[str]:
    """The paths that are keys, in schema order, versions by number."""
    for key in KEYS:
        if key.path in paths:
            yield key.path
        if key.path.endswith(VERSION):
            below = {path for path in paths if path.startswith(f"{key.section}.") and path != key.path}
            yield from sorted(below, key=lambda path: (len(path), path))
