"""PgBouncer in front of a server. Keywords are the settings of pgbouncer.ini."""

import socket
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psycopg

from tests.testbed.certificates import Leaf
from tests.testbed.containers import LOOPBACK, NotReadyError, running
from tests.testbed.postgres import SUPERUSER, SUPERUSER_PASSWORD, Endpoint

NOWHERE = "127.0.0.1:1"
"""Instead of a server's address: nothing listens there."""
SSL_REQUEST = struct.pack("!II", 8, 80877103)
TLS = {
    "client_tls_sslmode": "require",
    "client_tls_cert_file": "/files/server.pem",
    "client_tls_key_file": "/files/server.key",
    "client_tls_ca_file": "/files/server.pem",
}


class PgBouncer(Endpoint):
    def command(self, command: str) -> None:
        """Run a command of the console; needs `admin_users`."""
        with psycopg.connect(
            host=LOOPBACK,
            port=self.port,
            dbname="pgbouncer",
            user=SUPERUSER,
            password=SUPERUSER_PASSWORD,
            autocommit=True,
        ) as console:
            console.execute(command.encode())


@contextmanager
def pgbouncer_server(
    server: str,
    users: Mapping[str, str] | None = None,
    certificate: Leaf | None = None,
    kept: str = "",
    image: str = "postgres",
    **settings: object,
) -> Iterator[PgBouncer]:
    """
    In front of `server`, a Postgres.address, perhaps with a /database, the only one that it knows then.

    By default in transaction mode; with a `certificate`, TLS only.

    `image`: one that holds PgBouncer.

    PgBouncer has the passwords of `users` itself and asks the server for all others.
    """
    files = {"users.txt": _users(users or {})}
    if certificate:
        files |= certificate.files()
        settings = TLS | settings
    lines = [f"{name}={value}" for name, value in settings.items()]
    with running(image, ["pgbouncer-server", server, *lines], 6432, _replies, files, kept=kept) as fields:
        yield PgBouncer(*fields)


def _users(users: Mapping[str, str]) -> bytes:
    passwords = {SUPERUSER: SUPERUSER_PASSWORD, **users}
    return "".join(f'"{name}" "{password}"\n' for name, password in passwords.items()).encode()


def _replies(port: int) -> None:
    """Ready when it replies to a request for TLS, for which it needs no server behind it."""
    with socket.create_connection((LOOPBACK, port), timeout=1) as connection:
        connection.sendall(SSL_REQUEST)
        if connection.recv(1) not in (b"S", b"N"):
            raise NotReadyError
