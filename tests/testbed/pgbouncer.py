"""PgBouncer in front of a server; settings are those of pgbouncer.ini."""

import socket
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from testbed.certificates import Leaf
from testbed.containers import LOOPBACK, NotReady, Server, running
from testbed.postgres import PASSWORD, SUPERUSER, url

SSL_REQUEST = struct.pack("!II", 8, 80877103)
TLS = {
    "client_tls_sslmode": "require",
    "client_tls_cert_file": "/files/server.pem",
    "client_tls_key_file": "/files/server.key",
    "client_tls_ca_file": "/files/server.pem",
}
NOWHERE = "127.0.0.1:1"
"""An address on which, seen from a container, nothing listens."""


class PgBouncer(Server):
    def url(self, role: str = "mistle", password: str = PASSWORD, database: str = "mistle", **query: str) -> str:
        return url(self.port, role, password, database, **query)


@contextmanager
def pgbouncer_server(
    server: str, users: Mapping[str, str] | None = None, certificate: Leaf | None = None, **settings: object
) -> Iterator[PgBouncer]:
    """In front of `server`, an address as containers see it (Postgres.address), in transaction mode by default.

    PgBouncer knows the passwords of `users` itself and asks the server for those of everybody else.
    """
    files = {"users.txt": _users(users or {})}
    if certificate:
        files |= certificate.files()
        settings = TLS | settings
    lines = [f"{name}={value}" for name, value in settings.items()]
    with running("postgres", ["pgbouncer-server", server, *lines], 6432, _speaks, files) as fields:
        yield PgBouncer(*fields)


def _users(users: Mapping[str, str]) -> bytes:
    known = {SUPERUSER["user"]: SUPERUSER["password"], **users}
    return "".join(f'"{name}" "{password}"\n' for name, password in known.items()).encode()


def _speaks(port: int) -> None:
    """Ready when it answers the question whether it speaks TLS, which asks nothing of the server behind it."""
    with socket.create_connection((LOOPBACK, port), timeout=1) as connection:
        connection.sendall(SSL_REQUEST)
        if connection.recv(1) not in (b"S", b"N"):
            raise NotReady("closed")
