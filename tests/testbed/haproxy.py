"""HAProxy, which balances TCP connections over servers in turn."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.testbed.containers import running
from tests.testbed.postgres import Endpoint
from tests.testbed.probes import accepts


@contextmanager
def haproxy_server(*servers: str) -> Iterator[Endpoint]:
    """In front of `servers`, each a Postgres.address; it accepts connections also while none of them works."""
    with running("postgres", ["haproxy-server", *servers], 6432, accepts, {}) as fields:
        while fields[0].exec(_IS_LISTENING).exit_code:
            time.sleep(0.02)
        yield Endpoint(*fields)


# Docker accepts connections to a published port before the server listens, and closes them.
_IS_LISTENING = ["grep", "-q", f":{6432:04X} 00000000:0000 0A", "/proc/net/tcp"]
