"""Real servers for the tests, in containers: each function is a context manager that yields a running one."""

from testbed.browser import Browser, browser_server
from testbed.certificates import Authority, Leaf, self_signed
from testbed.engine import Engine, docker_engine
from testbed.names import NameServer, name_server
from testbed.object_store import ObjectStore, object_store, swift_object_store
from testbed.pgbouncer import PgBouncer, pgbouncer_server
from testbed.postgres import Postgres, postgres_replica, postgres_server, postgres_starting_up
from testbed.proxy import proxy
from testbed.registry import image_registry
from testbed.smtp import Smtp, smtp_server
from testbed.valkey import Valkey, valkey_server
from testbed.web import Web, web_server

__all__ = [
    "Authority",
    "Browser",
    "Engine",
    "Leaf",
    "NameServer",
    "ObjectStore",
    "PgBouncer",
    "Postgres",
    "Smtp",
    "Valkey",
    "Web",
    "browser_server",
    "docker_engine",
    "image_registry",
    "name_server",
    "object_store",
    "pgbouncer_server",
    "postgres_replica",
    "postgres_server",
    "postgres_starting_up",
    "proxy",
    "self_signed",
    "smtp_server",
    "swift_object_store",
    "valkey_server",
    "web_server",
]
