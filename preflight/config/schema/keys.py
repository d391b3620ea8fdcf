"""The table of all keys: type, variable, secrecy, default, and the condition under which the key is required."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from preflight.config.schema.conditions import (
    ALWAYS,
    OPTIONAL,
    Requirement,
    unless_section,
    when,
    when_holds,
    with_section,
)
from preflight.config.schema.types import Boolean, Choice, Integer, ListOf, Text, Type, Versioned
from preflight.config.tree import Tree

TEXT = Text()
SAME_ORIGIN = "same-origin"  # in place of the API's origin: the dashboard calls its own
VERSION = "<version>"  # a path's last part that stands for any version number


class Secrecy(Enum):
    """Who made the secret. Only those that the operator made for Mistle (CHOSEN) are checked for strength."""

    NONE = "none"
    ISSUED = "issued"
    CHOSEN = "chosen"


@dataclass(frozen=True)
class Key:
    """One key. ``variable`` overrides the file; ``default`` applies if the key is not set."""

    path: str
    type: Type = TEXT
    required: Requirement = ALWAYS
    secrecy: Secrecy = Secrecy.NONE
    default: object = None
    variable: str = ""

    def __post_init__(self) -> None:
        if not self.variable:
            object.__setattr__(self, "variable", "MISTLE_" + self.path.upper().replace(".", "_"))

    @property
    def section(self) -> str:
        """The table that holds the key."""
        return self.path.rpartition(".")[0]

    @property
    def url(self) -> bool:
        """Whether Mistle uses the value as a URL."""
        return isinstance(self.type, Text) and bool(self.type.schemes)


BOOLEAN, PORT, COUNT = Boolean(), Integer(1, 65535), Integer(1)
HTTP, WEBSOCKET = Text(("http", "https")), Text(("ws", "wss"))
POSTGRES, REDIS = Text(("postgres", "postgresql")), Text(("redis", "rediss"))
NONE, ISSUED, CHOSEN = Secrecy

API, AUTH = "services.control_plane_api", "services.control_plane_api.auth"
GATEWAY, STORAGE = "services.data_plane_gateway", "object_store.sandbox_storage"

TELEMETRY_ENABLED = when("telemetry.enabled", True)
GOOGLE_ENABLED = when_holds(f"{AUTH}.enabled_methods", "google")
ON_DOCKER, ON_E2B = when("sandbox.provider", "docker"), when("sandbox.provider", "e2b")
ARCHIL = when("sandbox.storage.backend", "archil")
DOCKER_VOLUME = when("sandbox.storage.backend", "docker_volume")
MOUNTED = ARCHIL & when("sandbox.storage.archil.mount_object_store", "sandbox_storage")
GOOGLE = with_section(f"{AUTH}.google") | GOOGLE_ENABLED
SANDBOX_STORAGE = with_section(STORAGE) | MOUNTED


def _server(service: str) -> tuple[Key, ...]:
    path = f"services.{service}"
    return Key(f"{path}.host"), Key(f"{path}.port", PORT), Key(f"{path}.internal_url", HTTP)


def _postgres(plane: str) -> tuple[Key, ...]:
    path = f"postgres.{plane}"
    return tuple(Key(f"{path}.{name}", POSTGRES, secrecy=ISSUED) for name in ("direct_url", "pooled_url"))


def _kv(plane: str, required: Requirement) -> tuple[Key, ...]:
    path = f"kv.{plane}"
    return (
        Key(f"{path}.backend", Choice(("valkey",)), required),
        Key(f"{path}.url", REDIS, required, ISSUED),
        Key(f"{path}.key_prefix", TEXT, required),
    )


def _token(path: str) -> tuple[Key, ...]:
    return Key(f"{path}.secret", secrecy=CHOSEN), Key(f"{path}.issuer"), Key(f"{path}.audience")


KEYS: tuple[Key, ...] = (
    Key("global.env", Choice(("development", "production")), variable="MISTLE_ENV"),
    Key("telemetry.enabled", BOOLEAN),
    Key("telemetry.debug", BOOLEAN),
    Key("telemetry.resource_attributes", required=OPTIONAL),
    Key("telemetry.traces.endpoint", HTTP, TELEMETRY_ENABLED),
    Key("telemetry.logs.endpoint", HTTP, TELEMETRY_ENABLED),
    Key("telemetry.metrics.endpoint", HTTP, TELEMETRY_ENABLED),
    Key("services.dashboard.public_url", HTTP),
    Key("services.dashboard.control_plane_api_origin", Text(HTTP.schemes, SAME_ORIGIN)),
    *_server("control_plane_api"),
    Key(f"{API}.public_url", HTTP),
    Key(f"{AUTH}.secret", secrecy=CHOSEN),
    Key(f"{AUTH}.trusted_origins", ListOf(TEXT)),
    Key(f"{AUTH}.enabled_methods", ListOf(Choice(("otp", "google")), must_contain="otp"), OPTIONAL),
    Key(f"{AUTH}.allow_signups", BOOLEAN, OPTIONAL, default=True),
    Key(f"{AUTH}.otp.length", Integer(4, 12)),
    Key(f"{AUTH}.otp.expires_in_seconds", Integer(30)),
    Key(f"{AUTH}.otp.allowed_attempts", Integer(1, 10)),
    Key(f"{AUTH}.google.client_id", TEXT, GOOGLE),
    Key(f"{AUTH}.google.client_secret", TEXT, GOOGLE, ISSUED),
    Key(f"{API}.integrations.active_master_encryption_key_version", COUNT),
    Key(
        f"{API}.integrations.master_encryption_keys.{VERSION}",
        Versioned(),
        secrecy=CHOSEN,
        variable="MISTLE_SERVICES_CONTROL_PLANE_API_INTEGRATIONS_MASTER_ENCRYPTION_KEYS_JSON",
    ),
    *_server("data_plane_api"),
    *_server("data_plane_gateway"),
    Key(f"{GATEWAY}.sandbox_ws_public_url", WEBSOCKET),
    Key(f"{GATEWAY}.sandbox_ws_internal_url", WEBSOCKET),
    Key("services.control_plane_worker.workflow_concurrency", COUNT),
    Key("services.data_plane_worker.workflow_concurrency", COUNT),
    Key("workflow.control_plane.namespace_id"),
    Key("workflow.data_plane.namespace_id"),
    *_postgres("control_plane"),
    *_postgres("data_plane"),
    *_kv("control_plane", with_section("kv.control_plane")),
    *_kv("data_plane", ALWAYS),
    Key("object_store.assets.bucket_name"),
    Key("object_store.assets.region"),
    Key("object_store.assets.endpoint", HTTP, OPTIONAL),
    Key("object_store.assets.force_path_style", BOOLEAN, OPTIONAL, default=False),
    Key("object_store.assets.access_key_id"),
    Key("object_store.assets.secret_access_key", secrecy=ISSUED),
    Key(f"{STORAGE}.bucket_name", TEXT, SANDBOX_STORAGE),
    Key(f"{STORAGE}.region", TEXT, OPTIONAL),
    Key(f"{STORAGE}.endpoint", HTTP, MOUNTED),
    Key(f"{STORAGE}.force_path_style", BOOLEAN, OPTIONAL, default=False),
    Key(f"{STORAGE}.access_key_id", TEXT, SANDBOX_STORAGE),
    Key(f"{STORAGE}.secret_access_key", TEXT, SANDBOX_STORAGE, ISSUED),
    Key("email.smtp.from_address"),
    Key("email.smtp.from_name"),
    Key("email.smtp.host"),
    Key("email.smtp.port", PORT),
    Key("email.smtp.secure", BOOLEAN),
    Key("email.smtp.username"),
    Key("email.smtp.password", secrecy=ISSUED),
    Key("internal_auth.method", Choice(("shared_token",)), OPTIONAL),
    Key("internal_auth.shared_token.token", secrecy=CHOSEN, variable="MISTLE_INTERNAL_AUTH_SHARED_TOKEN"),
    Key("sandbox.provider", Choice(("docker", "e2b"))),
    Key("sandbox.default_base_image"),
    Key("sandbox.publish_base_domain"),
    Key("sandbox.storage.backend", Choice(("archil", "docker_volume"))),
    Key("sandbox.storage.archil.api_key", TEXT, with_section("sandbox.storage.archil") | ARCHIL, ISSUED),
    Key("sandbox.storage.archil.region", TEXT, with_section("sandbox.storage.archil") | ARCHIL),
    Key("sandbox.storage.archil.name_prefix", TEXT, OPTIONAL),
    Key("sandbox.storage.archil.mount_object_store", Choice(("sandbox_storage",)), OPTIONAL),
    Key(
        "sandbox.storage.docker_volume.name_prefix",
        TEXT,
        unless_section("sandbox.storage.docker_volume", DOCKER_VOLUME),
    ),
    *_token("sandbox.tokens.connect"),
    *_token("sandbox.tokens.bootstrap"),
    *_token("sandbox.publish.access_token"),
    Key("sandbox.publish.session.cookie_signing_secret", secrecy=CHOSEN),
    Key("sandbox.docker.socket_path", TEXT, with_section("sandbox.docker") | ON_DOCKER),
    Key("sandbox.docker.network_name", TEXT, OPTIONAL),
    Key("sandbox.e2b.api_key", TEXT, with_section("sandbox.e2b") | ON_E2B, ISSUED),
    Key("sandbox.e2b.domain", TEXT, OPTIONAL, default="e2b.app"),
    Key("sandbox.e2b.cpu_count", COUNT, OPTIONAL, default=2),
    Key("sandbox.e2b.memory_mb", COUNT, OPTIONAL, default=4096),
    Key(
        "sandbox.sandboxd_test_faults_enabled",
        BOOLEAN,
        OPTIONAL,
        variable="MISTLE_TEST_SANDBOXD_TEST_FAULTS_ENABLED",
    ),
)
BY_PATH = {key.path: key for key in KEYS}

# Mistle reads the keys of these sections only under a condition; otherwise it ignores whatever they hold.
SWITCHES = (
    ("telemetry.", TELEMETRY_ENABLED),
    (f"{AUTH}.google.", GOOGLE_ENABLED),
    (f"{STORAGE}.", MOUNTED),
    ("sandbox.storage.archil.", ARCHIL),
    ("sandbox.storage.docker_volume.", DOCKER_VOLUME),
    ("sandbox.docker.", ON_DOCKER),
    ("sandbox.e2b.", ON_E2B),
)

# Where the environment alone configures it, Mistle reads a table for each service, and these keys are in none.
UNREAD_ALONE = (
    "kv.control_plane.",
    f"{AUTH}.enabled_methods",
    "services.dashboard.control_plane_api_origin",
    f"{STORAGE}.region",
    f"{STORAGE}.force_path_style",
)


def in_use(path: str, tree: Tree) -> bool:
    """Whether Mistle reads this key, given the values of the others."""
    return all(condition.holds(tree) for prefix, condition in SWITCHES if path.startswith(prefix))


def key_of(path: str) -> Key:
    """The row of a key's path; all versions share one row. Raises KeyError."""
    return BY_PATH.get(path) or BY_PATH[f"{path.rpartition('.')[0]}.{VERSION}"]
