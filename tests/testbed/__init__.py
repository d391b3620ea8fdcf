"""Real servers for the tests, in containers: each function is a context manager that yields a running one."""

from testbed.certificates import Authority, Leaf, self_signed
from testbed.pgbouncer import PgBouncer, pgbouncer_server
from testbed.postgres import Postgres, postgres_replica, postgres_server, postgres_starting_up
from testbed.valkey import Valkey, valkey_server

__all__ = [
    "Authority",
    "Leaf",
    "PgBouncer",
    "Postgres",
    "Valkey",
    "pgbouncer_server",
    "postgres_replica",
    "postgres_server",
    "postgres_starting_up",
    "self_signed",
    "valkey_server",
]
