"""Valkey 8.1; flags are those of valkey.conf, with `_` for `-`."""

import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import redis

from testbed.certificates import Leaf
from testbed.containers import LOOPBACK, NotReady, Server, running

TLS = {
    "port": 0,
    "tls_port": 6379,
    "tls_cert_file": "/files/server.pem",
    "tls_key_file": "/files/server.key",
    "tls_ca_cert_file": "/files/server.pem",
    "tls_auth_clients": "no",
}


class Valkey(Server):
    def url(self, password: str = "", user: str = "", database: int | str = 0, scheme: str = "redis") -> str:
        credentials = f"{quote(user, safe='')}:{quote(password, safe='')}@" if user or password else ""
        return f"{scheme}://{credentials}{LOOPBACK}:{self.port}/{database}"

    @contextmanager
    def loading(self) -> Iterator[None]:
        """Meanwhile it reloads its data set, slowly; needs enable_debug_command="yes"."""
        with self.client() as client:
            client.execute_command("DEBUG", "POPULATE", 20_000)
            client.config_set("key-load-delay", 200)
            client.config_set("loading-process-events-interval-bytes", 1024)
        with socket.create_connection((LOOPBACK, self.port)) as connection:
            connection.sendall(b"DEBUG RELOAD\r\n")
            while not self._is_loading():
                time.sleep(0.02)
            yield

    def _is_loading(self) -> bool:
        with self.client() as client:
            return bool(client.info("persistence")["loading"])

    def client(self, **options: Any) -> redis.Redis:
        """redis-py on this server, without retries."""
        return redis.Redis.from_url(self.url(), decode_responses=True, **options)


@contextmanager
def valkey_server(
    certificate: Leaf | None = None, files: Mapping[str, bytes] | None = None, **flags: object
) -> Iterator[Valkey]:
    """A server without a password unless `requirepass` or an `aclfile` among `files` (`/files/<name>`) sets one."""
    contents = dict(files or {})
    if certificate:
        contents |= certificate.files()
        flags = TLS | flags
    command = [part for name, value in flags.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    with running("valkey", command, 6379, _pings_tls if certificate else _pings, contents) as fields:
        yield Valkey(*fields)


def _pings(port: int) -> None:
    with socket.create_connection((LOOPBACK, port), timeout=1) as connection:
        _ping(connection)


def _pings_tls(port: int) -> None:
    context = ssl._create_unverified_context()
    with socket.create_connection((LOOPBACK, port), timeout=1) as connection:
        with context.wrap_socket(connection) as secured:
            _ping(secured)


def _ping(connection: socket.socket) -> None:
    connection.sendall(b"PING\r\n")
    if not connection.recv(1):
        raise NotReady("closed")
