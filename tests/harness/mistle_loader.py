"""Mistle's loader as its documentation describes it, written without this program's schema: what it refuses, and why.

The file alone is validated, then the file with the variables over it; then each service reads the URLs that it uses.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

Tree = dict[str, Any]

_API, _GATEWAY = "services.control_plane_api", "services.data_plane_gateway"
_KEYS_JSON = f"MISTLE_{_API.upper().replace('.', '_')}_INTEGRATIONS_MASTER_ENCRYPTION_KEYS_JSON"
_MASTER_KEYS = f"{_API}.integrations.master_encryption_keys"
_PORT, _COUNT = (1, 65535), (1, 2**53 - 1)
# A tuple of numbers is a range, a tuple of texts a choice, a list a list of these.
_REQUIRED: Mapping[str, object] = {
    "global.env": ("development", "production"),
    "telemetry.enabled": bool,
    "telemetry.debug": bool,
    "services.dashboard.public_url": str,
    "services.dashboard.control_plane_api_origin": str,
    **{f"services.{name}.host": str for name in ("control_plane_api", "data_plane_api", "data_plane_gateway")},
    **{f"services.{name}.port": _PORT for name in ("control_plane_api", "data_plane_api", "data_plane_gateway")},
    **{f"services.{name}.internal_url": str for name in ("control_plane_api", "data_plane_api", "data_plane_gateway")},
    f"{_API}.public_url": str,
    f"{_API}.auth.secret": str,
    f"{_API}.auth.trusted_origins": [str],
    f"{_API}.auth.otp.length": (4, 12),
    f"{_API}.auth.otp.expires_in_seconds": (30, 2**53 - 1),
    f"{_API}.auth.otp.allowed_attempts": (1, 10),
    f"{_API}.integrations.active_master_encryption_key_version": _COUNT,
    f"{_GATEWAY}.sandbox_ws_public_url": str,
    f"{_GATEWAY}.sandbox_ws_internal_url": str,
    **{f"services.{plane}_plane_worker.workflow_concurrency": _COUNT for plane in ("control", "data")},
    **{f"workflow.{plane}_plane.namespace_id": str for plane in ("control", "data")},
    **{f"postgres.{plane}_plane.{way}_url": str for plane in ("control", "data") for way in ("direct", "pooled")},
    "kv.data_plane.backend": ("valkey",),
    "kv.data_plane.url": str,
    "kv.data_plane.key_prefix": str,
    **{f"object_store.assets.{name}": str for name in ("bucket_name", "region", "access_key_id", "secret_access_key")},
    **{f"email.smtp.{name}": str for name in ("from_address", "from_name", "host", "username", "password")},
    "email.smtp.port": _PORT,
    "email.smtp.secure": bool,
    "internal_auth.shared_token.token": str,
    "sandbox.provider": ("docker", "e2b"),
    "sandbox.default_base_image": str,
    "sandbox.publish_base_domain": str,
    "sandbox.storage.backend": ("archil", "docker_volume"),
    **{
        f"sandbox.{section}.{name}": str
        for section in ("tokens.connect", "tokens.bootstrap", "publish.access_token")
        for name in ("secret", "issuer", "audience")
    },
    "sandbox.publish.session.cookie_signing_secret": str,
}
_OPTIONAL: Mapping[str, object] = {
    "telemetry.resource_attributes": str,
    **{f"telemetry.{signal}.endpoint": str for signal in ("traces", "logs", "metrics")},
    f"{_API}.auth.enabled_methods": [("otp", "google")],
    f"{_API}.auth.allow_signups": bool,
    f"{_API}.auth.google.client_id": str,
    f"{_API}.auth.google.client_secret": str,
    "kv.control_plane.backend": ("valkey",),
    "kv.control_plane.url": str,
    "kv.control_plane.key_prefix": str,
    "object_store.assets.endpoint": str,
    "object_store.assets.force_path_style": bool,
    **{
        f"object_store.sandbox_storage.{name}": str
        for name in ("bucket_name", "access_key_id", "secret_access_key", "endpoint", "region")
    },
    "object_store.sandbox_storage.force_path_style": bool,
    "internal_auth.method": ("shared_token",),
    "sandbox.storage.archil.api_key": str,
    "sandbox.storage.archil.region": str,
    "sandbox.storage.archil.name_prefix": str,
    "sandbox.storage.archil.mount_object_store": ("sandbox_storage",),
    "sandbox.storage.docker_volume.name_prefix": str,
    "sandbox.docker.socket_path": str,
    "sandbox.docker.network_name": str,
    "sandbox.e2b.api_key": str,
    "sandbox.e2b.domain": str,
    "sandbox.e2b.cpu_count": _COUNT,
    "sandbox.e2b.memory_mb": _COUNT,
    "sandbox.sandboxd_test_faults_enabled": bool,
}
TYPES: Mapping[str, object] = {**_REQUIRED, **_OPTIONAL}
_NAMES = {
    "global.env": "MISTLE_ENV",
    "internal_auth.shared_token.token": "MISTLE_INTERNAL_AUTH_SHARED_TOKEN",
    "sandbox.sandboxd_test_faults_enabled": "MISTLE_TEST_SANDBOXD_TEST_FAULTS_ENABLED",
}
VARIABLES = {path: _NAMES.get(path, f"MISTLE_{path.upper().replace('.', '_')}") for path in TYPES}
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
