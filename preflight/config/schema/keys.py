"""The table of all keys: what each is for, its type, when it is required, its secrecy, its default and its variable."""

from __future__ import annotations

from preflight.config.schema.conditions import ALWAYS, OPTIONAL, Requirement, unless_section, with_section
from preflight.config.schema.key import TEXT, Key, Secrecy
from preflight.config.schema.tables import (
    API,
    ARCHIL,
    AUTH,
    DOCKER_VOLUME,
    GATEWAY,
    GOOGLE_ENABLED,
    MOUNTED,
    ON_DOCKER,
    ON_E2B,
    STORAGE,
    TELEMETRY_ENABLED,
)
from preflight.config.schema.types import Boolean, Choice, Integer, ListOf, Text, Versioned

SAME_ORIGIN = "same-origin"  # in place of the API's origin: the dashboard calls its own
VERSION = "<version>"  # a path's last part that stands for any version number

BOOLEAN, PORT, COUNT = Boolean(), Integer(1, 65535), Integer(1)
HTTP, WEBSOCKET = Text(("http", "https")), Text(("ws", "wss"))
POSTGRES, REDIS = Text(("postgres", "postgresql")), Text(("redis", "rediss"))
NONE, ISSUED, CHOSEN = Secrecy

_GOOGLE = with_section(f"{AUTH}.google") | GOOGLE_ENABLED
_SANDBOX_STORAGE = with_section(STORAGE) | MOUNTED
_ARCHIL = with_section("sandbox.storage.archil") | ARCHIL


def _server(service: str) -> tuple[Key, ...]:
    path = f"services.{service}"
    return (
        Key(f"{path}.host", "The address on which the service listens."),
        Key(f"{path}.port", "The port on which the service listens.", PORT),
        Key(f"{path}.internal_url", "The address that the other services use.", HTTP),
    )


def _postgres(plane: str) -> tuple[Key, ...]:
    path, direct = f"postgres.{plane}", "The server itself, for migrations and workflows; not a pooler."
    return (
        Key(f"{path}.direct_url", direct, POSTGRES, secrecy=ISSUED),
        Key(f"{path}.pooled_url", "For all other queries, through PgBouncer.", POSTGRES, secrecy=ISSUED),
    )


def _kv(plane: str, required: Requirement) -> tuple[Key, ...]:
    path = f"kv.{plane}"
    return (
        Key(f"{path}.backend", "The kind of server.", Choice(("valkey",)), required),
        Key(f"{path}.url", "The server; a primary that does not evict.", REDIS, required, ISSUED),
        Key(f"{path}.key_prefix", "Every key begins with this prefix and a colon.", TEXT, required),
    )


def _bucket(path: str, required: Requirement, region: Requirement, endpoint: Requirement) -> tuple[Key, ...]:
    path_style = "Whether the bucket is in the path, as most self-hosted stores need it."
    return (
        Key(f"{path}.bucket_name", "The bucket, which exists.", TEXT, required),
        Key(f"{path}.region", "The region of the bucket.", TEXT, region),
        Key(f"{path}.endpoint", "The address of the store; omit it for AWS.", HTTP, endpoint),
        Key(f"{path}.force_path_style", path_style, BOOLEAN, OPTIONAL, default=False),
        Key(f"{path}.access_key_id", "The id of the access key.", TEXT, required),
        Key(f"{path}.secret_access_key", "The secret of the access key.", TEXT, required, ISSUED),
    )


def _token(path: str) -> tuple[Key, ...]:
    return (
        Key(f"{path}.secret", "Signs the token; the same in every service.", secrecy=CHOSEN),
        Key(f"{path}.issuer", "The token's issuer; the same in every service."),
        Key(f"{path}.audience", "The token's audience; the same in every service."),
    )


KEYS: tuple[Key, ...] = (
    Key(
        "global.env",
        "What the deployment is for; production is checked more strictly.",
        Choice(("development", "production")),
        variable="MISTLE_ENV",
    ),
    Key("telemetry.enabled", "Whether the services send traces, logs and metrics.", BOOLEAN),
    Key("telemetry.debug", "Whether the exporters print what they do.", BOOLEAN),
    Key(
        "telemetry.resource_attributes",
        "Attributes that are added to everything that is sent: name=value, with commas.",
        required=OPTIONAL,
    ),
    *(
        Key(
            f"telemetry.{signal}.endpoint",
            f"Where {signal} are sent: the collector's whole URL, with /v1/{signal}.",
            HTTP,
            TELEMETRY_ENABLED,
        )
        for signal in ("traces", "logs", "metrics")
    ),
    Key("services.dashboard.public_url", "The address of the dashboard that browsers use.", HTTP),
    Key(
        "services.dashboard.control_plane_api_origin",
        "The origin of the API's public_url.",
        Text(HTTP.schemes, SAME_ORIGIN),
    ),
    *_server("control_plane_api"),
    Key(f"{API}.public_url", "The address of the API that browsers and webhooks use.", HTTP),
    Key(f"{AUTH}.secret", "Signs sessions.", secrecy=CHOSEN),
    Key(f"{AUTH}.trusted_origins", "The exact origins of the pages that may sign in.", ListOf(TEXT)),
    Key(
        f"{AUTH}.enabled_methods",
        "How people may sign in; Mistle requires otp.",
        ListOf(Choice(("otp", "google")), must_contain="otp"),
        OPTIONAL,
    ),
    Key(f"{AUTH}.allow_signups", "Whether unknown people may open an account.", BOOLEAN, OPTIONAL, default=True),
    Key(f"{AUTH}.otp.length", "How many digits a one-time password has.", Integer(4, 12)),
    Key(f"{AUTH}.otp.expires_in_seconds", "How long a one-time password is valid.", Integer(30)),
    Key(f"{AUTH}.otp.allowed_attempts", "How often a one-time password may be tried.", Integer(1, 10)),
    Key(f"{AUTH}.google.client_id", "The id of the OAuth client at Google.", TEXT, _GOOGLE),
    Key(f"{AUTH}.google.client_secret", "The secret of the OAuth client at Google.", TEXT, _GOOGLE, ISSUED),
    Key(
        f"{API}.integrations.active_master_encryption_key_version",
        "The version of the master key that new credentials are encrypted with.",
        COUNT,
    ),
    Key(
        f"{API}.integrations.master_encryption_keys.{VERSION}",
        "A master key, by its version. Never remove one that was in use.",
        Versioned(),
        secrecy=CHOSEN,
        variable="MISTLE_SERVICES_CONTROL_PLANE_API_INTEGRATIONS_MASTER_ENCRYPTION_KEYS_JSON",
    ),
    *_server("data_plane_api"),
    *_server("data_plane_gateway"),
    Key(f"{GATEWAY}.sandbox_ws_public_url", "The address where browsers connect to a sandbox.", WEBSOCKET),
    Key(f"{GATEWAY}.sandbox_ws_internal_url", "The address where sandboxes connect.", WEBSOCKET),
    *(
        Key(f"services.{plane}_worker.workflow_concurrency", "How many workflows each process runs at once.", COUNT)
        for plane in ("control_plane", "data_plane")
    ),
    *(
        Key(f"workflow.{plane}.namespace_id", "Separates the workflows of deployments that share a database.")
        for plane in ("control_plane", "data_plane")
    ),
    *_postgres("control_plane"),
    *_postgres("data_plane"),
    *_kv("control_plane", with_section("kv.control_plane")),
    *_kv("data_plane", ALWAYS),
    *_bucket("object_store.assets", ALWAYS, ALWAYS, OPTIONAL),
    *_bucket(STORAGE, _SANDBOX_STORAGE, OPTIONAL, MOUNTED),
    Key("email.smtp.from_address", "The sender's address."),
    Key("email.smtp.from_name", "The sender's name."),
    Key("email.smtp.host", "The mail server."),
    Key("email.smtp.port", "The port of the mail server: mostly 465 with secure, else 587.", PORT),
    Key(
        "email.smtp.secure",
        "Whether TLS begins with the first byte; else STARTTLS is used if the server offers it.",
        BOOLEAN,
    ),
    Key("email.smtp.username", "The user's name at the mail server."),
    Key("email.smtp.password", "The password at the mail server.", secrecy=ISSUED),
    Key("internal_auth.method", "How the services authenticate one another.", Choice(("shared_token",)), OPTIONAL),
    Key(
        "internal_auth.shared_token.token",
        "The credential that the services use to call one another.",
        secrecy=CHOSEN,
        variable="MISTLE_INTERNAL_AUTH_SHARED_TOKEN",
    ),
    Key(
        "sandbox.provider",
        "Where sandboxes run: docker with docker_volume, or e2b with archil.",
        Choice(("docker", "e2b")),
    ),
    Key("sandbox.default_base_image", "The image of sandboxes, pulled without credentials."),
    Key(
        "sandbox.publish_base_domain",
        "Published sandboxes are below this domain: *.<domain> must resolve to the gateway.",
    ),
    Key(
        "sandbox.storage.backend",
        "Where the files of sandboxes are: docker_volume with docker, or archil with e2b.",
        Choice(("archil", "docker_volume")),
    ),
    Key("sandbox.storage.archil.api_key", "The API key at Archil.", TEXT, _ARCHIL, ISSUED),
    Key("sandbox.storage.archil.region", "Archil's region, such as aws-us-east-1.", TEXT, _ARCHIL),
    Key("sandbox.storage.archil.name_prefix", "The names of disks begin with it.", TEXT, OPTIONAL),
    Key(
        "sandbox.storage.archil.mount_object_store",
        "The object store that Archil mounts into sandboxes.",
        Choice(("sandbox_storage",)),
        OPTIONAL,
    ),
    Key(
        "sandbox.storage.docker_volume.name_prefix",
        "The names of volumes begin with it.",
        TEXT,
        unless_section("sandbox.storage.docker_volume", DOCKER_VOLUME),
    ),
    *_token("sandbox.tokens.connect"),
    *_token("sandbox.tokens.bootstrap"),
    *_token("sandbox.publish.access_token"),
    Key("sandbox.publish.session.cookie_signing_secret", "Signs the cookies of published sandboxes.", secrecy=CHOSEN),
    Key(
        "sandbox.docker.socket_path",
        "Docker's socket, reachable from data_plane_api and data_plane_worker.",
        TEXT,
        with_section("sandbox.docker") | ON_DOCKER,
    ),
    Key("sandbox.docker.network_name", "The network that sandboxes join.", TEXT, OPTIONAL),
    Key("sandbox.e2b.api_key", "The API key at E2B.", TEXT, with_section("sandbox.e2b") | ON_E2B, ISSUED),
    Key("sandbox.e2b.domain", "E2B's domain.", TEXT, OPTIONAL, default="e2b.app"),
    Key("sandbox.e2b.cpu_count", "How many processors a sandbox has.", COUNT, OPTIONAL, default=2),
    Key("sandbox.e2b.memory_mb", "How much memory a sandbox has, in MB.", COUNT, OPTIONAL, default=4096),
    Key(
        "sandbox.sandboxd_test_faults_enabled",
        "For Mistle's own tests; never true in production.",
        BOOLEAN,
        OPTIONAL,
        variable="MISTLE_TEST_SANDBOXD_TEST_FAULTS_ENABLED",
    ),
)
BY_PATH = {key.path: key for key in KEYS}


def key_of(path: str) -> Key:
    """The row of a key's path; all versions share one row. Raises KeyError."""
    return BY_PATH.get(path) or BY_PATH[f"{path.rpartition('.')[0]}.{VERSION}"]
