"""Real servers for the tests, in containers: each function is a context manager that yields a running one."""

from tests.testbed.browser import Browser, browser_server
from tests.testbed.certificates import Authority, Leaf, self_signed
from tests.testbed.engine import Engine, docker_engine, podman_engine
from tests.testbed.haproxy import haproxy_server
from tests.testbed.names import NameServer, name_server
from tests.testbed.object_store import ObjectStore, object_store, swift_object_store
from tests.testbed.pgbouncer import PgBouncer, pgbouncer_server
from tests.testbed.postgres import Postgres, postgres_replica, postgres_server, postgres_starting_up
from tests.testbed.proxy import proxy
from tests.testbed.registry import image_registry
from tests.testbed.smtp import Smtp, smtp_server
from tests.testbed.socket_proxy import socket_proxy
from tests.testbed.valkey import Valkey, valkey_server
from tests.testbed.web import Web, web_server

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
    "haproxy_server",
    "image_registry",
    "name_server",
    "object_store",
    "pgbouncer_server",
    "podman_engine",
    "postgres_replica",
    "postgres_server",
    "postgres_starting_up",
    "proxy",
    "self_signed",
    "smtp_server",
    "socket_proxy",
    "swift_object_store",
    "valkey_server",
    "web_server",
]
