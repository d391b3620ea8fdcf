"""The faults of ``--break NAME``: what each one breaks in the demo, and the finding that names it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

DIRECT = ("postgres.control_plane.direct_url", "postgres.data_plane.direct_url")


@dataclass(frozen=True)
class Fault:
    """``values`` stand in the configuration, ``sql`` and ``valkey`` are run on the servers, ``options`` change those
    of the demo's own (see ``deployment``).
    """

    about: str
    finding: str
    values: Mapping[str, object] = field(default_factory=dict)
    sql: str = ""
    valkey: tuple[tuple[str, ...], ...] = ()
    options: Mapping[str, object] = field(default_factory=dict)


def faults_text() -> str:
    """One line for each fault: its name, what is broken, and the finding that names it."""
    width = max(map(len, FAULTS))
    return "".join(f"{name:{width}}  {fault.about}: {fault.finding}\n" for name, fault in FAULTS.items())


FAULTS: Mapping[str, Fault] = {
    "pooler": Fault(
        "direct_url leads to a pooler (a relay that behaves like one; it does not pool)",
        "postgres.pooler-on-direct-url",
        options={"pooler": True},
    ),
    "postgres-password": Fault(
        "the password of a direct_url is an old one",
        "postgres.password-rejected",
        options={"postgres_password": "mistle-old-postgres"},
    ),
    "postgres-read-only": Fault(
        "the role of both databases may only read",
        "postgres.read-only",
        sql="ALTER ROLE mistle SET default_transaction_read_only = on",
    ),
    "migrations": Fault(
        "the migrations of the control plane have not been run",
        "postgres.not-migrated",
        sql="DROP SCHEMA control_plane, control_plane_meta, control_plane_openworkflow CASCADE",
    ),
    "master-key": Fault(
        "a stored credential cannot be opened with the configured master key",
        "postgres.master-key-wrong",
        values={
            "services.control_plane_api.integrations.master_encryption_keys.1": "local-master-key-1-0000000000000000"
        },
    ),
    "valkey-password": Fault(
        "Valkey's password was changed", "valkey.password-rejected", valkey=(("CONFIG", "SET", "requirepass", "new"),)
    ),
    "valkey-acl": Fault(
        "the ACL of Valkey's user forbids scripts",
        "valkey.not-permitted",
        valkey=(("ACL", "SETUSER", "default", "-eval"),),
    ),
    "valkey-evicts": Fault(
        "Valkey may evict keys that Mistle relies on",
        "valkey.evicts-keys",
        valkey=(("CONFIG", "SET", "maxmemory", "100mb"), ("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")),
    ),
    "bucket": Fault(
        "the bucket of assets does not exist",
        "object-store.bucket-missing",
        values={"object_store.assets.bucket_name": "mistle-asset"},
    ),
    "s3-secret": Fault(
        "the secret of the access key is another one",
        "object-store.signature-mismatch",
        values={"object_store.assets.secret_access_key": "mistle-local-object-stoer"},
    ),
    "smtp-password": Fault(
        "the mail server refuses the password",
        "smtp.credentials-rejected",
        values={"email.smtp.password": "mistle-old-smtp"},
    ),
    "smtp-secure": Fault(
        "secure = true on a port that begins without TLS", "smtp.plaintext", values={"email.smtp.secure": True}
    ),
    "smtp-port": Fault("nothing listens on the mail server's port", "network.refused", options={"smtp_port": True}),
    "token": Fault(
        "the services have another shared token",
        "http.token-rejected",
        options={"token": "another-internal-token-77d0a1c2e3f4b5"},
    ),
    "tunnel": Fault(
        "the gateway has another secret for connect tokens",
        "tunnel.token-rejected",
        options={"connect": {"secret": "another-connect-secret-77d0a1c2e3f4"}},
    ),
    "bootstrap": Fault(
        "the gateway has another secret for the tokens of new sandboxes",
        "tunnel.bootstrap-rejected",
        options={"bootstrap": {"secret": "another-bootstrap-secret-77d0a1c2e3f4"}},
    ),
    "publish-domain": Fault(
        "the gateway publishes sandboxes below another domain",
        "publish.domain-differs",
        options={"publishing": {"base_domain": "previews.localhost"}},
    ),
    "publish-cookie": Fault(
        "the gateway has another secret for the cookies of published sandboxes",
        "publish.cookie-rejected",
        options={"publishing": {"cookie_secret": "another-cookie-secret-77d0a1c2e3f4"}},
    ),
    "data-plane": Fault(
        "the control plane's API has a wrong address of the data plane's",
        "control-plane-api.data-plane-unreachable",
        options={"data_plane": "http://localhost:1"},
    ),
    "cors": Fault(
        "the running API does not trust the dashboard's origin",
        "http.cors-refused",
        options={"trusted_origins": ["http://dashboard.mistle.test"]},
    ),
    "release": Fault(
        "the data plane's API runs another release", "services.mixed-releases", options={"release": "1.3.9"}
    ),
    "docker-network": Fault(
        "the sandboxes' Docker network does not exist", "docker.network-missing", options={"networks": ()}
    ),
    "clock": Fault(
        "this machine's clock and the object store's are an hour apart",
        "object-store.clock-skew",
        options={"ahead": 3600},
    ),
}
