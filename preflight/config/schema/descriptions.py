"""What each key and each table is for, in one sentence: for editors, which show it beside the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

_PLANES = ("control_plane", "data_plane")


def _each(*names: str, **texts: str) -> Iterator[tuple[str, str]]:
    """The same keys below each of these tables."""
    yield from ((f"{name}.{key}", text) for name in names for key, text in texts.items())


KEYS: Mapping[str, str] = {
    "global.env": "What the deployment is for; production is checked more strictly.",
    "telemetry.enabled": "Whether the services send traces, logs and metrics.",
    "telemetry.debug": "Whether the exporters print what they do.",
    "telemetry.resource_attributes": "Attributes that are added to everything that is sent: name=value, with commas.",
    "telemetry.traces.endpoint": "Where traces are sent: the collector's whole URL, with /v1/traces.",
    "telemetry.logs.endpoint": "Where logs are sent: the collector's whole URL, with /v1/logs.",
    "telemetry.metrics.endpoint": "Where metrics are sent: the collector's whole URL, with /v1/metrics.",
    "services.dashboard.public_url": "The address of the dashboard that browsers use.",
    "services.dashboard.control_plane_api_origin": "The origin of the API's public_url.",
    **dict(
        _each(
            *(f"services.{name}" for name in ("control_plane_api", "data_plane_api", "data_plane_gateway")),
            host="The address on which the service listens.",
            port="The port on which the service listens.",
            internal_url="The address that the other services use.",
        )
    ),
    "services.control_plane_api.public_url": "The address of the API that browsers and webhooks use.",
    "services.control_plane_api.auth.secret": "Signs sessions.",
    "services.control_plane_api.auth.trusted_origins": "The exact origins of the pages that may sign in.",
    "services.control_plane_api.auth.enabled_methods": "How people may sign in; Mistle requires otp.",
    "services.control_plane_api.auth.allow_signups": "Whether unknown people may open an account.",
    "services.control_plane_api.auth.otp.length": "How many digits a one-time password has.",
    "services.control_plane_api.auth.otp.expires_in_seconds": "How long a one-time password is valid.",
    "services.control_plane_api.auth.otp.allowed_attempts": "How often a one-time password may be tried.",
    "services.control_plane_api.auth.google.client_id": "The id of the OAuth client at Google.",
    "services.control_plane_api.auth.google.client_secret": "The secret of the OAuth client at Google.",
    "services.control_plane_api.integrations.active_master_encryption_key_version": (
        "The version of the master key that new credentials are encrypted with."
    ),
    "services.control_plane_api.integrations.master_encryption_keys.<version>": (
        "A master key, by its version. Never remove one that was in use."
    ),
    "services.data_plane_gateway.sandbox_ws_public_url": "The address where browsers connect to a sandbox.",
    "services.data_plane_gateway.sandbox_ws_internal_url": "The address where sandboxes connect.",
    **dict(
        _each(
            *(f"services.{plane}_worker" for plane in _PLANES),
            workflow_concurrency="How many workflows each process runs at once.",
        )
    ),
    **dict(
        _each(
            *(f"workflow.{plane}" for plane in _PLANES),
            namespace_id="Separates the workflows of deployments that share a database.",
        )
    ),
    **dict(
        _each(
            *(f"postgres.{plane}" for plane in _PLANES),
            direct_url="The server itself, for migrations and workflows; not a pooler.",
            pooled_url="For all other queries, through PgBouncer.",
        )
    ),
    **dict(
        _each(
            *(f"kv.{plane}" for plane in _PLANES),
            backend="The kind of server.",
            url="The server; a primary that does not evict.",
            key_prefix="Every key begins with this prefix and a colon.",
        )
    ),
    **dict(
        _each(
            *(f"object_store.{name}" for name in ("assets", "sandbox_storage")),
            bucket_name="The bucket, which exists.",
            region="The region of the bucket.",
            endpoint="The address of the store; omit it for AWS.",
            force_path_style="Whether the bucket is in the path, as most self-hosted stores need it.",
            access_key_id="The id of the access key.",
            secret_access_key="The secret of the access key.",  # noqa: S106 - a description
        )
    ),
    "email.smtp.from_address": "The sender's address.",
    "email.smtp.from_name": "The sender's name.",
    "email.smtp.host": "The mail server.",
    "email.smtp.port": "The port of the mail server: mostly 465 with secure, else 587.",
    "email.smtp.secure": "Whether TLS begins with the first byte; else STARTTLS is used if the server offers it.",
    "email.smtp.username": "The user's name at the mail server.",
    "email.smtp.password": "The password at the mail server.",
    "internal_auth.method": "How the services authenticate one another.",
    "internal_auth.shared_token.token": "The credential that the services use to call one another.",
    "sandbox.provider": "Where sandboxes run: docker with docker_volume, or e2b with archil.",
    "sandbox.default_base_image": "The image of sandboxes, pulled without credentials.",
    "sandbox.publish_base_domain": "Published sandboxes are below this domain: *.<domain> must resolve to the gateway.",
    "sandbox.storage.backend": "Where the files of sandboxes are: docker_volume with docker, or archil with e2b.",
    "sandbox.storage.archil.api_key": "The API key at Archil.",
    "sandbox.storage.archil.region": "Archil's region, such as aws-us-east-1.",
    "sandbox.storage.archil.name_prefix": "The names of disks begin with it.",
    "sandbox.storage.archil.mount_object_store": "The object store that Archil mounts into sandboxes.",
    "sandbox.storage.docker_volume.name_prefix": "The names of volumes begin with it.",
    **dict(
        _each(
            "sandbox.tokens.connect",
            "sandbox.tokens.bootstrap",
            "sandbox.publish.access_token",
            secret="Signs the token; the same in every service.",  # noqa: S106 - a description
            issuer="The token's issuer; the same in every service.",
            audience="The token's audience; the same in every service.",
        )
    ),
    "sandbox.publish.session.cookie_signing_secret": "Signs the cookies of published sandboxes.",
    "sandbox.docker.socket_path": "Docker's socket, reachable from data_plane_api and data_plane_worker.",
    "sandbox.docker.network_name": "The network that sandboxes join.",
    "sandbox.e2b.api_key": "The API key at E2B.",
    "sandbox.e2b.domain": "E2B's domain.",
    "sandbox.e2b.cpu_count": "How many processors a sandbox has.",
    "sandbox.e2b.memory_mb": "How much memory a sandbox has, in MB.",
    "sandbox.sandboxd_test_faults_enabled": "For Mistle's own tests; never true in production.",
}

TABLES: Mapping[str, str] = {
    "global": "What holds for all services.",
    "telemetry": "Every service sends its traces, logs and metrics to an OpenTelemetry collector.",
    "services": "Each of Mistle's services.",
    "services.dashboard": "The web application that people open.",
    "services.control_plane_api": "The API of the dashboard and of integrations.",
    "services.control_plane_api.auth.otp": "One-time passwords, sent by mail.",
    "services.control_plane_api.auth.google": 'Sign-in with Google: needs "google" in enabled_methods.',
    "services.control_plane_api.integrations": "Encrypts the credentials of integrations in the database.",
    "services.control_plane_api.integrations.master_encryption_keys": "The master keys, by version.",
    "services.data_plane_gateway": "Holds the tunnels to the sandboxes, and serves what they publish.",
    "workflow": "The workflows of each plane.",
    "postgres": "The databases of each plane.",
    "kv.control_plane": "Valkey of the control plane: no service uses it today.",
    "kv.data_plane": "Valkey of the gateway: holds the leases of sandboxes and connections.",
    "object_store.assets": "Holds uploads and images, in any S3-compatible store.",
    "object_store.sandbox_storage": "The bucket that Archil mounts into sandboxes; only with mount_object_store.",
    "email.smtp": "Sends the one-time passwords: without it no user can sign in.",
    "internal_auth": "The credential that the services use to call one another.",
    "sandbox.tokens.connect": "The control plane signs this token: it lets a browser connect to a sandbox.",
    "sandbox.tokens.bootstrap": "The data-plane worker signs this token: a new sandbox registers with it.",
    "sandbox.publish.access_token": (
        "The control plane signs this token: it lets a browser open what a sandbox publishes."
    ),
}
"""Where the name of a table does not say it."""
