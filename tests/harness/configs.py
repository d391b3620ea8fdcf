"""Configurations for tests: a small valid one, and the changes that a test makes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from checks.core.finding import Finding
from preflight.config.loader import Config
from preflight.config.schema.conditions import ALWAYS
from preflight.config.schema.key import Key
from preflight.config.schema.keys import KEYS, VERSION, key_of
from preflight.config.schema.types import Boolean, Choice, Integer, ListOf, Text

MASTER_KEYS = "services.control_plane_api.integrations.master_encryption_keys"


@dataclass(frozen=True)
class Raw:
    """A value written into the file as it stands."""

    text: str


def _example(key: Key) -> object:
    """Any valid value."""
    match key.type:
        case Text(schemes=(scheme, *_)):
            return f"{scheme}://mistle:{key.path}-password@{key.section}.mistle.example"
        case Boolean():
            return False
        case Integer(minimum=minimum):
            return minimum
        case Choice(allowed=(value, *_)):
            return value
        case ListOf():
            return ["a", "b"]
    return f"{key.path} 0123456789abcdef0123456789abcdef"


_SMALL: Mapping[str, object] = {
    "global.env": "development",
    "telemetry.enabled": False,
    "telemetry.debug": False,
    "services.dashboard.public_url": "https://app.mistle.example",
    "services.dashboard.control_plane_api_origin": "https://api.mistle.example",
    "services.control_plane_api.host": "0.0.0.0",
    "services.control_plane_api.port": 8080,
    "services.control_plane_api.public_url": "https://api.mistle.example",
    "services.control_plane_api.internal_url": "http://control-plane-api:8080",
    "services.control_plane_api.auth.secret": "auth-secret-0123456789abcdef0123456789abcdef",
    "services.control_plane_api.auth.trusted_origins": ["https://app.mistle.example"],
    "services.control_plane_api.auth.otp.length": 6,
    "services.control_plane_api.auth.otp.expires_in_seconds": 300,
    "services.control_plane_api.auth.otp.allowed_attempts": 3,
    "services.control_plane_api.integrations.active_master_encryption_key_version": 1,
    f"{MASTER_KEYS}.1": "master-key-1-0123456789abcdef0123456789abcdef",
    "services.data_plane_api.host": "0.0.0.0",
    "services.data_plane_api.port": 8082,
    "services.data_plane_api.internal_url": "http://data-plane-api:8082",
    "services.data_plane_gateway.host": "0.0.0.0",
    "services.data_plane_gateway.port": 8084,
    "services.data_plane_gateway.internal_url": "http://data-plane-gateway:8084",
    "services.data_plane_gateway.sandbox_ws_public_url": "wss://gateway.mistle.example/tunnel/sandbox",
    "services.data_plane_gateway.sandbox_ws_internal_url": "ws://data-plane-gateway:8084/tunnel/sandbox",
    "services.control_plane_worker.workflow_concurrency": 4,
    "services.data_plane_worker.workflow_concurrency": 4,
    "workflow.control_plane.namespace_id": "main",
    "workflow.data_plane.namespace_id": "main",
    "postgres.control_plane.direct_url": "postgres://mistle:postgres-password@postgres:5432/control",
    "postgres.control_plane.pooled_url": "postgres://mistle:postgres-password@pgbouncer:6432/control",
    "postgres.data_plane.direct_url": "postgres://mistle:postgres-password@postgres:5432/data",
    "postgres.data_plane.pooled_url": "postgres://mistle:postgres-password@pgbouncer:6432/data",
    "kv.data_plane.backend": "valkey",
    "kv.data_plane.url": "redis://:valkey-password@valkey:6379",
    "kv.data_plane.key_prefix": "mistle",
    "object_store.assets.bucket_name": "mistle-assets",
    "object_store.assets.region": "eu-central-1",
    "object_store.assets.access_key_id": "assets-access-key",
    "object_store.assets.secret_access_key": "assets-secret-key",
    "email.smtp.from_address": "mistle@mistle.example",
    "email.smtp.from_name": "Mistle",
    "email.smtp.host": "smtp.mistle.example",
    "email.smtp.port": 465,
    "email.smtp.secure": True,
    "email.smtp.username": "mistle",
    "email.smtp.password": "smtp-password",
    "internal_auth.shared_token.token": "internal-token-0123456789abcdef0123456789abcdef",
    "sandbox.provider": "docker",
    "sandbox.default_base_image": "ghcr.io/mistlehq/sandbox-base:latest",
    "sandbox.publish_base_domain": "sandboxes.mistle.example",
    "sandbox.storage.backend": "docker_volume",
    "sandbox.storage.docker_volume": Raw("{}"),
    "sandbox.tokens.connect.secret": "connect-secret-0123456789abcdef0123456789abcdef",
    "sandbox.tokens.connect.issuer": "control-plane-api",
    "sandbox.tokens.connect.audience": "data-plane-gateway",
    "sandbox.tokens.bootstrap.secret": "bootstrap-secret-0123456789abcdef0123456789abcdef",
    "sandbox.tokens.bootstrap.issuer": "data-plane-worker",
    "sandbox.tokens.bootstrap.audience": "data-plane-gateway",
    "sandbox.publish.access_token.secret": "publish-secret-0123456789abcdef0123456789abcdef",
    "sandbox.publish.access_token.issuer": "control-plane-api",
    "sandbox.publish.access_token.audience": "data-plane-gateway",
    "sandbox.publish.session.cookie_signing_secret": "cookie-secret-0123456789abcdef0123456789abcdef",
    "sandbox.docker.socket_path": "/var/run/docker.sock",
}
VALID: Mapping[str, object] = _SMALL | {
    key.path: _example(key)
    for key in KEYS
    if key.required is ALWAYS and key.path not in _SMALL and VERSION not in key.path
}
"""A small valid configuration, also with a new key that Mistle requires."""

E2B: Mapping[str, object] = {
    "sandbox.provider": "e2b",
    "sandbox.storage.backend": "archil",
    "sandbox.storage.docker_volume": None,
    "sandbox.docker.socket_path": None,
    "sandbox.e2b.api_key": "e2b-api-key",
    "sandbox.storage.archil.api_key": "archil-api-key",
    "sandbox.storage.archil.region": "aws-us-east-1",
    "services.data_plane_gateway.sandbox_ws_internal_url": "wss://gateway.mistle.example/tunnel/sandbox",
}
MOUNTED: Mapping[str, object] = {
    **E2B,
    "sandbox.storage.archil.mount_object_store": "sandbox_storage",
    "object_store.sandbox_storage.bucket_name": "mistle-sandboxes",
    "object_store.sandbox_storage.endpoint": "https://s3.mistle.example",
    "object_store.sandbox_storage.access_key_id": "sandboxes-access-key",
    "object_store.sandbox_storage.secret_access_key": "sandboxes-secret-key",
}
GOOGLE: Mapping[str, object] = {
    "services.control_plane_api.auth.enabled_methods": ["otp", "google"],
    "services.control_plane_api.auth.google.client_id": "google-client-id",
    "services.control_plane_api.auth.google.client_secret": "google-client-secret",
}
TELEMETRY: Mapping[str, object] = {
    "telemetry.enabled": True,
    "telemetry.traces.endpoint": "http://collector:4318/v1/traces",
    "telemetry.logs.endpoint": "http://collector:4318/v1/logs",
    "telemetry.metrics.endpoint": "http://collector:4318/v1/metrics",
}
CONTROL_KV: Mapping[str, object] = {
    "kv.control_plane.backend": "valkey",
    "kv.control_plane.url": "redis://:valkey-password@valkey:6379",
    "kv.control_plane.key_prefix": "mistle-control",
}

# Mistle ignores keys that the chosen provider and storage do not use.
_NAMED: Mapping[str, object] = {
    **VALID,
    **MOUNTED,
    **GOOGLE,
    **TELEMETRY,
    **CONTROL_KV,
    "telemetry.resource_attributes": "a=b",
    "services.control_plane_api.auth.allow_signups": False,
    "object_store.assets.endpoint": "https://s3.mistle.example",
    "object_store.assets.force_path_style": True,
    "object_store.sandbox_storage.region": "eu-central-1",
    "object_store.sandbox_storage.force_path_style": True,
    "internal_auth.method": "shared_token",
    "sandbox.storage.archil.name_prefix": "mistle-",
    "sandbox.storage.docker_volume.name_prefix": "mistle-",
    "sandbox.docker.socket_path": "/var/run/docker.sock",
    "sandbox.docker.network_name": "sandboxes",
    "sandbox.e2b.domain": "e2b.example",
    "sandbox.e2b.cpu_count": 4,
    "sandbox.e2b.memory_mb": 8192,
    "sandbox.sandboxd_test_faults_enabled": True,
}


ALL: Mapping[str, object] = _NAMED | {
    key.path: _example(key) for key in KEYS if key.path not in _NAMED and VERSION not in key.path
}
"""Every key of the schema, also a key that no test names."""
PATHS = [path for path, value in ALL.items() if value is not None]


def valid(changes: Mapping[str, object] = {}) -> dict[str, object]:
    """The valid configuration by key path, with these changes; None removes a key."""
    return {path: value for path, value in {**VALID, **changes}.items() if value is not None}


def toml(settings: Mapping[str, object]) -> str:
    """Key paths and values as the text of a file."""
    sections: dict[str, list[str]] = {}
    for path, value in settings.items():
        section, _, name = path.rpartition(".")
        sections.setdefault(section, []).append(f"{name} = {text(value)}")
    ordered = sorted(sections.items(), key=lambda item: item[0] != "")  # keys without a section come first
    return "\n".join("\n".join([f"[{section}]" if section else "", *lines, ""]) for section, lines in ordered)


def write(directory: Path, changes: Mapping[str, object] = {}, **more: object) -> Path:
    """A file with the valid configuration and these changes: ``write(tmp_path, {"sandbox.provider": "e2b"})``."""
    path = directory / "mistle.toml"
    path.write_text(toml(valid({**changes, **more})))
    return path


def environment(changes: Mapping[str, object] = {}) -> dict[str, str]:
    """The valid configuration as variables alone, without a file."""
    settings = valid(
        {"sandbox.storage.docker_volume": None, "sandbox.storage.docker_volume.name_prefix": "mistle-", **changes}
    )
    versions = {path: value for path, value in settings.items() if path.startswith(MASTER_KEYS)}
    plain = {path: value for path, value in settings.items() if path not in versions}
    keys = json.dumps({path.rpartition(".")[2]: value for path, value in versions.items()})
    return {key_of(path).variable: _variable(value) for path, value in plain.items()} | {
        key_of(f"{MASTER_KEYS}.1").variable: keys
    }


def text(value: object) -> str:
    return value.text if isinstance(value, Raw) else json.dumps(value, ensure_ascii=False)


def _variable(value: object) -> str:
    if isinstance(value, list):
        return ",".join(value)
    return value if isinstance(value, str) else json.dumps(value)


def line_of(file: Path, path: str) -> str:
    """The position of a key in a file that ``write`` wrote: ``mistle.toml:42``."""
    section, _, name = path.rpartition(".")
    lines = file.read_text().splitlines()
    first = lines.index(f"[{section}]") if section else 0
    return f"{file.name}:{first + next(n for n, line in enumerate(lines[first:], 1) if line.startswith(f'{name} ='))}"


def found(config: Config, id_: str) -> Finding:
    """The one finding of this id."""
    (finding,) = (finding for finding in config.findings if finding.id == id_)
    return finding
