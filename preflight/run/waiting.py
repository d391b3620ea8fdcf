"""Which findings may disappear by waiting: ``--wait`` tries a check again while it reports only these.

Every id that can fail stands in one of the two tables; ``explain`` prints which. A test fails for an id in neither.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from checks.core.check import Status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from checks.core.check import Finding

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
        "services.mixed-releases",
        "services.public-differs",
    }
)
_FIRST, _FACTOR, _LONGEST = 0.5, 1.6, 5.0  # seconds between two attempts, and how they grow


@dataclass(frozen=True)
class Wait:
    """How long failed checks are tried again (seconds), and which findings count as failures."""

    seconds: float = 0.0
    level: Status = Status.FAIL
    ignored: frozenset[str] = frozenset()

    def failures(self, findings: Iterable[Finding]) -> set[str]:
        """The ids of the findings that make the run not ready."""
        return {each.id for each in findings if each.status >= self.level and each.id not in self.ignored}


def pause(attempt: int) -> float:
    """Seconds before the next attempt, after ``attempt`` of them: growing, and never the same for two checks."""
    return min(_LONGEST, _FIRST * _FACTOR ** (attempt - 1)) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
