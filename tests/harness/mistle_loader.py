"""Mistle's loader as its documentation describes it, written without this program's schema: what it refuses, and why.

The file alone is validated, then the file with the variables over it; then each service reads the URLs that it uses.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.harness.documented_keys import OF_KINDS, ROWS

Tree = dict[str, Any]

_API, _GATEWAY = "services.control_plane_api", "services.data_plane_gateway"
_KEYS_JSON = f"MISTLE_{_API.upper().replace('.', '_')}_INTEGRATIONS_MASTER_ENCRYPTION_KEYS_JSON"
_MASTER_KEYS = f"{_API}.integrations.master_encryption_keys"


def _type(text: str) -> object:
    """A tuple of numbers is a range, a tuple of texts a choice, a list a list of these."""
    if text.startswith("list of "):
        return [_type(text.removeprefix("list of "))]
    if text.startswith("int "):
        least, _, most = text.removeprefix("int ").partition("-")
        return int(least), int(most or 2**53 - 1)
    if text == "bool":
        return bool
    return str if text == "str" or text.endswith("://") else tuple(text.split(" or "))


_ROWS = [row for row in (*ROWS, *OF_KINDS) if row.type != "versioned"]
_REQUIRED = [row.path for row in _ROWS if row.required == "yes"]
TYPES: Mapping[str, object] = {row.path: _type(row.type) for row in _ROWS}
VARIABLES = {row.path: row.variable for row in _ROWS}
_SPACE = "".join(("\t\n\v\f\r \u00a0\u1680", *map(chr, range(0x2000, 0x200B)), "\u2028\u2029\u202f\u205f\u3000\ufeff"))
_WEB, _REDIS = re.compile(r"https?://[^/?#]", re.IGNORECASE), re.compile(r"rediss?://[^/?#]", re.IGNORECASE)


def refusals(file: Tree | None, environ: Mapping[str, str]) -> list[str]:
    """Why Mistle does not start with this file and these variables; empty if it does."""
    found = [f"file alone: {reason}" for reason in _schema(file)] if file is not None else []
    try:
        merged = _merged(file or {}, environ)
    except ValueError as error:
        return [*found, f"variable: {error}"]
    invalid = list(_schema(merged))
    return [*found, *invalid, *(() if invalid else _in_use(merged))]


def _merged(file: Tree, environ: Mapping[str, str]) -> Tree:
    merged = json.loads(json.dumps(file, default=str))
    for path, variable in VARIABLES.items():
        if variable in environ:
            _put(merged, path, _parsed(path, environ[variable]))
    if _KEYS_JSON in environ:
        keys = json.loads(environ[_KEYS_JSON])
        if not isinstance(keys, dict) or not all(isinstance(value, str) for value in keys.values()):
            raise ValueError(_KEYS_JSON)
        for version, value in keys.items():
            _put(merged, f"{_MASTER_KEYS}.{version}", value)
    return merged


def _parsed(path: str, text: str) -> object:
    match TYPES[path]:
        case type() as kind if kind is bool:
            if text not in ("true", "false"):
                raise ValueError(f"{path} is no boolean")
            return text == "true"
        case (int(), int()):
            return _number(path, text.strip(_SPACE))
        case list():
            return [item for item in (part.strip(_SPACE) for part in text.split(",")) if item]
    return text


def _number(path: str, text: str) -> float:
    if not text:
        return 0
    if re.fullmatch(r"0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+", text):
        return int(text, 0)
    if not re.fullmatch(r"[+-]?(?:Infinity|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)", text):
        raise ValueError(f"{path} is no number")
    return float(text)


def _put(tree: Tree, path: str, value: object) -> None:
    *sections, name = path.split(".")
    for section in sections:
        if not isinstance(tree.get(section), dict):
            tree[section] = {}
        tree = tree[section]
    tree[name] = value


def _at(tree: object, path: str) -> Any:
    for name in path.split("."):
        tree = tree.get(name) if isinstance(tree, dict) else None
    return tree


def _schema(tree: Tree) -> Iterator[str]:
    yield from (f"{path} is missing" for path in _needed(tree) if _at(tree, path) is None)
    yield from _values(tree, "")
    keys, active = _at(tree, _MASTER_KEYS), _at(tree, f"{_API}.integrations.active_master_encryption_key_version")
    if not isinstance(keys, dict) or not keys:
        yield "no master keys"
    elif isinstance(active, int | float) and active == active and abs(active) < 2**53 and str(int(active)) not in keys:
        yield "the active version is no key"
    methods = _at(tree, f"{_API}.auth.enabled_methods")
    if isinstance(methods, list) and "otp" not in methods:
        yield "enabled_methods without otp"


def _needed(tree: Tree) -> Iterator[str]:
    yield from _REQUIRED
    mounted = _at(tree, "sandbox.storage.archil.mount_object_store") == "sandbox_storage"
    archil = _at(tree, "sandbox.storage.backend") == "archil"
    google = "google" in (methods if isinstance(methods := _at(tree, f"{_API}.auth.enabled_methods"), list) else ())
    for section, names, condition in (
        (f"{_API}.auth.google", ("client_id", "client_secret"), google),
        ("kv.control_plane", ("backend", "url", "key_prefix"), False),
        ("object_store.sandbox_storage", ("bucket_name", "access_key_id", "secret_access_key"), archil and mounted),
        ("sandbox.storage.archil", ("api_key", "region"), archil),
        ("sandbox.docker", ("socket_path",), _at(tree, "sandbox.provider") == "docker"),
        ("sandbox.e2b", ("api_key",), _at(tree, "sandbox.provider") == "e2b"),
    ):
        if condition or _at(tree, section) is not None:
            yield from (f"{section}.{name}" for name in names)
    if archil and mounted:
        yield "object_store.sandbox_storage.endpoint"
    if _at(tree, "sandbox.storage.backend") == "docker_volume":
        yield "sandbox.storage.docker_volume"
    if _at(tree, "telemetry.enabled") is True:
        yield from (f"telemetry.{signal}.endpoint" for signal in ("traces", "logs", "metrics"))


def _values(tree: object, above: str) -> Iterator[str]:
    """The wrong values below a table, and its unknown keys."""
    if not isinstance(tree, dict):
        yield f"{above} is no table"
        return
    for name, value in tree.items():
        path = f"{above}.{name}" if above else name
        if above == _MASTER_KEYS:
            if not re.fullmatch(r"[1-9][0-9]*", name) or not _fits(str, value):
                yield f"{path} is no master key"
        elif path in TYPES and "." not in name:
            if not _fits(TYPES[path], value):
                yield f"{path} is wrong"
        elif path == _MASTER_KEYS or ("." not in name and any(known.startswith(f"{path}.") for known in TYPES)):
            yield from _values(value, path)
        else:
            yield f"{path} is unknown"


def _fits(kind: object, value: object) -> bool:
    match kind:
        case list():
            return isinstance(value, list) and bool(value) and all(_fits(kind[0], item) for item in value)
        case (int() as least, int() as most):
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            return is_number and least <= value <= most and value == int(value)  # type: ignore[operator, call-overload]
        case tuple():
            return isinstance(value, str) and value in kind
        case type() as plain if plain is bool:
            return isinstance(value, bool)
    return isinstance(value, str) and bool(value.strip(_SPACE))


def _in_use(tree: Tree) -> Iterator[str]:
    """The URLs that a service reads at its start, and the attributes of telemetry."""
    web = [f"services.{name}.internal_url" for name in ("control_plane_api", "data_plane_api", "data_plane_gateway")]
    web += [f"{_API}.public_url", *(f"telemetry.{signal}.endpoint" for signal in ("traces", "logs", "metrics"))]
    if _at(tree, "sandbox.storage.backend") == "archil" and _at(tree, "sandbox.storage.archil.mount_object_store"):
        web.append("object_store.sandbox_storage.endpoint")
    for path in web:
        if (text := _at(tree, path)) is not None and not _WEB.match(text.strip(_SPACE)):
            yield f"{path} is no URL"
    if not _REDIS.match(_at(tree, "kv.data_plane.url").strip(_SPACE)):
        yield "kv.data_plane.url is no URL"
    if _at(tree, "telemetry.enabled"):
        attributes = _at(tree, "telemetry.resource_attributes") or ""
        items = [item for item in (part.strip(_SPACE) for part in attributes.split(",")) if item]
        yield from ("resource_attributes" for item in items if item.find("=") < 1)
