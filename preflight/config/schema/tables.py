"""What concerns a whole table of the file: what it is for, and when Mistle reads its keys."""

from __future__ import annotations

from collections.abc import Mapping

from preflight.config.schema.conditions import when, when_holds
from preflight.config.tree import Tree

API, AUTH = "services.control_plane_api", "services.control_plane_api.auth"
GATEWAY, STORAGE = "services.data_plane_gateway", "object_store.sandbox_storage"

TELEMETRY_ENABLED = when("telemetry.enabled", True)
GOOGLE_ENABLED = when_holds(f"{AUTH}.enabled_methods", "google")
ON_DOCKER, ON_E2B = when("sandbox.provider", "docker"), when("sandbox.provider", "e2b")
ARCHIL = when("sandbox.storage.backend", "archil")
DOCKER_VOLUME = when("sandbox.storage.backend", "docker_volume")
MOUNTED = ARCHIL & when("sandbox.storage.archil.mount_object_store", "sandbox_storage")

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

ABOUT: Mapping[str, str] = {
    "global": "What holds for all services.",
    "telemetry": "Every service sends its traces, logs and metrics to an OpenTelemetry collector.",
    "services": "Each of Mistle's services.",
    "services.dashboard": "The web application that people open.",
    API: "The API of the dashboard and of integrations.",
    f"{AUTH}.otp": "One-time passwords, sent by mail.",
    f"{AUTH}.google": 'Sign-in with Google: needs "google" in enabled_methods.',
    f"{API}.integrations": "Encrypts the credentials of integrations in the database.",
    f"{API}.integrations.master_encryption_keys": "The master keys, by version.",
    GATEWAY: "Holds the tunnels to the sandboxes, and serves what they publish.",
    "workflow": "The workflows of each plane.",
    "postgres": "The databases of each plane.",
    "kv.control_plane": "Valkey of the control plane: no service uses it today.",
    "kv.data_plane": "Valkey of the gateway: holds the leases of sandboxes and connections.",
    "object_store.assets": "Holds uploads and images, in any S3-compatible store.",
    STORAGE: "The bucket that Archil mounts into sandboxes; only with mount_object_store.",
    "email.smtp": "Sends the one-time passwords: without it no user can sign in.",
    "internal_auth": "The credential that the services use to call one another.",
    "sandbox.tokens.connect": "The control plane signs this token: it lets a browser connect to a sandbox.",
    "sandbox.tokens.bootstrap": "The data-plane worker signs this token: a new sandbox registers with it.",
    "sandbox.publish.access_token": (
        "The control plane signs this token: it lets a browser open what a sandbox publishes."
    ),
}
"""What each table is for, where its name does not say it."""


def in_use(path: str, tree: Tree) -> bool:
    """Whether Mistle reads this key, given the values of the others."""
    return all(condition.holds(tree) for prefix, condition in SWITCHES if path.startswith(prefix))
