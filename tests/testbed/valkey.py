"""Valkey 8.1. Keywords are its flags, with `_` for `-`."""

import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import redis

from tests.testbed.certificates import Leaf
from tests.testbed.containers import LOOPBACK, NotReadyError, Server, running

TLS = {
    "port": 0,
    "tls_port": 6379,
    "tls_cert_file": "/files/server.pem",
    "tls_key_file": "/files/server.key",
    "tls_ca_cert_file": "/files/server.pem",
    "tls_auth_clients": "no",
}


@dataclass(frozen=True)
class Valkey(Server):
    """``database``: the number of the database that tests use."""

    database: int = 0

    def url(self, password: str = "", user: str = "", database: int | str = "", scheme: str = "redis") -> str:
        login = f"{quote(user, safe='')}:{quote(password, safe='')}@" if user or password else ""
        number = self.database if database == "" else database
        return f"{scheme}://{login}{self.host}:{self.port}/{number}"

    def client(self, password: str = "", user: str = "", **options: Any) -> redis.Redis:
        """redis-py's client of this server, without retries; to be used in a `with`."""
        return redis.Redis.from_url(self.url(password, user), decode_responses=True, **options)

    @contextmanager
    def loading(self) -> Iterator[None]:
        """The server loads its data, slowly, during the context; it needs enable_debug_command="yes"."""
        with self.client() as client:
            client.execute_command("DEBUG", "POPULATE", 50_000)
            client.config_set("key-load-delay", 200)
            client.config_set("loading-process-events-interval-bytes", 1024)
        with socket.create_connection((self.host, self.port)) as connection:
            connection.sendall(b"DEBUG RELOAD\r\n")
            while not self._is_loading():
                time.sleep(0.02)
            yield

    @contextmanager
    def busy(self) -> Iterator[None]:
        """A script runs during the context; the server needs busy_reply_threshold=1."""
        with socket.create_connection((self.host, self.port)) as connection, self.client() as client:
            connection.sendall(b"EVAL 'while true do end' 0\r\n")
            while not _is_busy(client):
                time.sleep(0.02)
            yield
            client.script_kill()

    def _is_loading(self) -> bool:
        with self.client() as client:
            return bool(client.info("persistence")["loading"])


def _is_busy(client: redis.Redis) -> bool:
    try:
        client.ping()
    except redis.ResponseError as error:
        return "BUSY" in str(error)
    return False


@contextmanager
def valkey_server(
    certificate: Leaf | None = None,
    files: Mapping[str, bytes] | None = None,
    kept: str = "",
    image: str = "valkey",
    program: Path | None = None,
    **flags: object,
) -> Iterator[Valkey]:
    """A server, with `files` in its /files; with a `certificate`, TLS only.

    `image`: one that holds Valkey or Redis; `program`: a server of this machine that runs in its place.
    """
    contents = dict(files or {})
    if certificate:
        contents |= certificate.files()
        flags = TLS | flags
    command = [part for name, value in flags.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    options = _in_place_of_its_own(program) if program else {}
    with running(image, command, 6379, _ping_tls if certificate else ping, contents, kept=kept, **options) as fields:
        yield Valkey(*fields)


def _in_place_of_its_own(program: Path) -> dict[str, Any]:
    entry = [f"/version/{program.name}", "--protected-mode", "no", "--save", ""]
    return {"entrypoint": entry, "volumes": [(str(program.parent), "/version", "ro")]}


def ping(port: int) -> None:
    with socket.create_connection((LOOPBACK, port), timeout=1) as connection:
        _exchange(connection)


def _ping_tls(port: int) -> None:
    context = ssl._create_unverified_context()
    plain = socket.create_connection((LOOPBACK, port), timeout=1)
    with plain, context.wrap_socket(plain) as connection:
        _exchange(connection)


def _exchange(connection: socket.socket) -> None:
    """Any answer will do, also a refusal."""
    connection.sendall(b"PING\r\n")
    if not connection.recv(1):
        raise NotReadyError
