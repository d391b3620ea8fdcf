"""redis-py over TLS with the run's trusted roots: redis-py's own context also trusts the system's and reads files.

Imported only when a check runs, because it imports redis-py.
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
        self.ssl_context.context = context  # redis-py makes one where this is None


def tls_pool(options: Mapping[str, Any], trust: Trust) -> ConnectionPool:
    """A pool whose connections have redis-py's ``options``, and TLS that trusts ``trust``."""
    return ConnectionPool(connection_class=_Connection, context=trust.verified, **options)
