"""redis-py over TLS, with the run's certificates: its own context would also trust the system's, and read files.

Imported only when a check runs: it loads the SDK.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from redis.asyncio import ConnectionPool, SSLConnection

if TYPE_CHECKING:
    from collections.abc import Mapping
    from ssl import SSLContext

    from checks.core.roots import Trust


class _Connection(SSLConnection):
    def __init__(self, *, context: SSLContext, **options: Any) -> None:
        super().__init__(**options)
        self.ssl_context.context = context  # it makes one where there is none


def pool(options: Mapping[str, Any], trust: Trust) -> ConnectionPool:
    """Connections with these options."""
    return ConnectionPool(connection_class=_Connection, context=trust.verified, **options)
