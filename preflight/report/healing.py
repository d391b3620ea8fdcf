"""Which findings may disappear by waiting: every id that can be a failure or a warning is in one of two tables."""

from __future__ import annotations

HEALS = frozenset(
    {
        # The server, its name or its route is still to come.
        "network.name-not-found",
        "network.dns-timeout",
        "network.refused",
        "network.timeout",
        "network.unreachable",
        "network.reset",
        "network.silent",
        "run.timeout",
        "docker.socket-missing",
        "docker.daemon-down",
        "docker.silent",
        "publish.no-wildcard",
        # It is there, and not ready: it starts, is full, loads its data, or waits for another server.
        "postgres.starting-up",
        "postgres.too-many-connections",
        "postgres.pooler-backend-down",
        "postgres.pool-exhausted",
        "postgres.not-migrated",
        "postgres.migration-running",
        "valkey.loading",
        "valkey.too-many-clients",
        "object-store.server-error",
        "smtp.unavailable",
        "smtp.auth-unavailable",
        "docker.registry-unreachable",
        "docker.registry-rate-limited",
        "e2b.rate-limited",
        "http.bad-gateway",
        "http.unhealthy",
        "gateway.valkey-unreachable",
        "tunnel.bad-gateway",
    }
)
LASTS = frozenset(
    """
    config.missing config.wrong-type config.out-of-range config.blank config.not-allowed config.malformed-url
    config.wrong-scheme config.placeholder config.bad-override config.blank-override config.unknown-key
    config.only-in-environment config.unknown-override config.active-key-missing config.provider-storage-mismatch
    config.not-public config.origin-never-matches config.origin-not-trusted config.origin-mismatch
    config.weak-secret config.shared-secret config.insecure-url config.test-faults config.prefix-collision
    config.ignored-section config.unreadable config.extra-ca-unreadable run.usage run.deadline run.no-descriptors
    run.no-memory run.other-package internal.bug network.not-permitted network.no-local-port network.endless
    network.address-unreachable network.plaintext-on-tls network.tls-on-plaintext tls.untrusted tls.self-signed
    tls.expired tls.not-yet-valid tls.wrong-host tls.expires-soon tls.old-protocol tls.client-certificate-required
    tls.handshake-failed postgres.password-rejected postgres.role-missing postgres.no-hba-entry
    postgres.tls-required postgres.tls-refused postgres.unknown-parameter postgres.database-missing
    postgres.may-not-connect postgres.login-too-costly postgres.not-postgres postgres.login-refused
    postgres.ipv6-literal postgres.roots-unreadable postgres.query-failed postgres.may-not-create
    postgres.may-not-use-schema postgres.pooler-on-direct-url postgres.direct-on-pooled-url postgres.read-only
    postgres.too-old postgres.headroom postgres.migrations-half-done postgres.master-key-missing
    postgres.master-key-wrong postgres.different-databases postgres.unexpected-reply valkey.password-rejected
    valkey.password-required valkey.password-unexpected valkey.user-disabled valkey.tls-required valkey.not-valkey
    valkey.database-missing valkey.not-permitted valkey.out-of-memory valkey.write-refused valkey.command-failed
    valkey.replica valkey.cluster-mode valkey.evicts-keys valkey.unexpected-reply object-store.unknown-access-key
    object-store.account-suspended object-store.signature-mismatch object-store.wrong-region object-store.clock-skew
    object-store.region-invalid object-store.bucket-name-invalid object-store.bucket-missing
    object-store.access-denied object-store.path-style-needed object-store.virtual-host-needed
    object-store.checksum-refused object-store.not-read-back object-store.not-s3 object-store.refused
    object-store.leftover object-store.not-public object-store.unexpected-reply smtp.not-smtp
    smtp.tls-from-first-byte smtp.plaintext smtp.starttls-not-offered smtp.starttls-refused
    smtp.credentials-rejected smtp.auth-not-offered smtp.auth-mechanism smtp.tls-required smtp.auth-required
    smtp.sender-malformed smtp.sender-refused smtp.greeting-refused smtp.client-refused smtp.relay-refused
    smtp.mail-refused smtp.unexpected-reply docker.not-a-socket docker.permission-denied docker.not-docker
    docker.call-refused docker.network-missing docker.network-not-attachable docker.volume-refused docker.leftover
    docker.bad-reference docker.image-missing docker.image-needs-login docker.registry-untrusted docker.api-too-old
    docker.cgroup-v1 docker.wrong-platform docker.no-tag docker.helper-image-missing docker.low-disk
    docker.unexpected-reply e2b.key-rejected e2b.team-blocked e2b.unexpected-reply e2b.image-not-public
    e2b.gateway-not-public archil.unknown-region archil.key-rejected archil.unexpected-reply http.redirects
    http.is-dashboard http.not-mistle http.wrong-service http.internal-blocked http.token-rejected
    http.token-not-checked http.token-unsendable http.cors-refused http.not-the-dashboard http.unexpected-reply
    services.mixed-releases services.public-differs tunnel.not-upgraded tunnel.not-gateway tunnel.path-missing
    tunnel.redirects tunnel.open-to-anyone tunnel.token-rejected tunnel.unexpected-reply otlp.not-found
    otlp.grpc-port otlp.refused otlp.not-otlp otlp.unexpected-reply publish.no-certificate google.client-rejected
    google.unexpected-reply
    """.split()  # noqa: SIM905 - a list would have a line for each
)
