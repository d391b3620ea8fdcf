"""HAProxy, which balances TCP connections over servers in turn."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from tests.testbed.containers import LOOPBACK, running
from tests.testbed.postgres import Endpoint


@contextmanager
def haproxy_server(*servers: str) -> Iterator[Endpoint]:
    """In front of `servers`, each a Postgres.address; it accepts connections also while none of them works."""
    with running("postgres", ["haproxy-server", *servers], 6432, _accepts, {}) as fields:
        yield Endpoint(*fields)


def _accepts(port: int) -> None:
    socket.create_connection((LOOPBACK, port), timeout=1).close()
