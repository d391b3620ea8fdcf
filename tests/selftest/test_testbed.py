"""The servers of the test bed behave as their docstrings say."""

import socket
import ssl
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing

import psycopg
import pytest
import redis

from tests.harness import faults, profiles
from tests.testbed import (
    Authority,
    PgBouncer,
    Postgres,
    Valkey,
    pgbouncer_server,
    postgres_server,
    postgres_starting_up,
    self_signed,
    valkey_server,
)
from tests.testbed.pgbouncer import NOWHERE
from tests.testbed.postgres import PASSWORD

pytestmark = profiles.long  # the tests of each kind show this too


def value(url: str, query: str) -> object:
    with psycopg.connect(url, autocommit=True, connect_timeout=2) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row
    return row[0]


def test_postgres_owner_and_fresh_names(postgres: Postgres) -> None:
    assert value(postgres.url(), "SELECT has_database_privilege(current_database(), 'CREATE')") is True
    role = postgres.role("CONNECTION LIMIT 1")
    assert value(postgres.url(role, database=postgres.database(owner=role)), "SELECT current_user") == role


def test_servers_have_identities_of_their_own(postgres: Postgres, replica: Postgres) -> None:
    query = "SELECT system_identifier FROM pg_control_system()"
    with postgres_server(max_connections=6) as other:
        assert other.sql("SHOW max_connections") == [("6",)]
        assert other.sql(query) != postgres.sql(query)
    assert replica.sql(query) == postgres.sql(query)


def test_replica_is_in_recovery(replica: Postgres) -> None:
    assert value(replica.url(), "SELECT pg_is_in_recovery()") is True


def test_read_only_server() -> None:
    with postgres_server(default_transaction_read_only="on") as server:
        server.database()
        assert value(server.url(), "SHOW transaction_read_only") == "on"


def test_postgres_tls_only(authority: Authority) -> None:
    with postgres_server(hba="hostssl all all all scram-sha-256", certificate=authority.leaf()) as server:
        with authority.trusted() as path:
            url = server.url(sslmode="verify-full", sslrootcert=path)
            assert value(url, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") is True
        with pytest.raises(psycopg.OperationalError, match="no encryption"):
            psycopg.connect(server.url(sslmode="disable"))


def test_postgres_starting_up() -> None:
    with postgres_starting_up() as server, pytest.raises(psycopg.OperationalError, match="is starting up"):
        psycopg.connect(server.url())


@pytest.mark.parametrize("pool_mode", ["transaction", "session"])
def test_pgbouncer_passes_logins_on(postgres: Postgres, pool_mode: str) -> None:
    with (
        pgbouncer_server(postgres.address, pool_mode=pool_mode) as pooler,
        psycopg.connect(pooler.url(), autocommit=True) as connection,
    ):
        row = connection.execute("SELECT pg_backend_pid()").fetchone()
        assert row
        assert row[0] != connection.info.backend_pid


def test_pgbouncer_exhausted_pool(postgres: Postgres) -> None:
    with (
        pgbouncer_server(postgres.address, pool_mode="session", default_pool_size=1) as pooler,
        closing(psycopg.connect(pooler.url())) as first,
        closing(psycopg.connect(pooler.url())) as second,
    ):
        first.execute("SELECT 1")
        second.pgconn.send_query(b"SELECT 1")
        time.sleep(0.5)
        second.pgconn.consume_input()
        assert second.pgconn.is_busy()


@pytest.mark.parametrize("users", [{"mistle": PASSWORD}, {}])
def test_pgbouncer_dead_backend(users: dict[str, str]) -> None:
    with pgbouncer_server(NOWHERE, users=users) as pooler, pytest.raises(psycopg.errors.ConnectionTimeout):
        psycopg.connect(pooler.url(), connect_timeout=2)


def test_pgbouncer_tls(postgres: Postgres, authority: Authority) -> None:
    with pgbouncer_server(postgres.address, certificate=authority.leaf()) as pooler:
        assert value(pooler.url(sslmode="require"), "SELECT 1") == 1
        with pytest.raises(psycopg.OperationalError, match="SSL required"):
            psycopg.connect(pooler.url(sslmode="disable"))


def test_pgbouncer_shared(pgbouncer: PgBouncer) -> None:
    assert value(pgbouncer.url(), "SELECT current_database()") == pgbouncer.name


def test_valkey_flags_and_files() -> None:
    users = {"users.acl": b"user default off\nuser mistle on >secret ~mistle:* +@all\n"}
    with (
        valkey_server(files=users, aclfile="/files/users.acl", maxmemory="64mb") as server,
        server.client("secret", "mistle") as client,
    ):
        assert client.config_get("maxmemory")["maxmemory"] == str(64 << 20)
        with pytest.raises(redis.exceptions.NoPermissionError):
            client.set("other", 1)


def test_valkey_tls(authority: Authority) -> None:
    with valkey_server(certificate=authority.leaf()) as server, authority.trusted() as path:
        client = redis.Redis.from_url(server.url(scheme="rediss"), ssl_ca_certs=path)
        with client:
            assert client.ping()


def test_valkey_replica(valkey: Valkey) -> None:
    with valkey_server(replicaof=valkey.address.replace(":", " ")) as server:
        assert refusal(server) == "ReadOnlyError"


def test_valkey_loading() -> None:
    with valkey_server(enable_debug_command="yes") as server, server.loading():
        assert refusal(server) == "BusyLoadingError"


def refusal(server: Valkey) -> str:
    """The name of the error with which a write is refused."""
    with server.client() as client, pytest.raises(redis.exceptions.RedisError) as caught:
        client.set("mistle:x", 1)
    return caught.typename


def test_black_hole_never_replies() -> None:
    with faults.black_hole() as port, pytest.raises(TimeoutError):
        socket.create_connection((faults.LOOPBACK, port), timeout=1.2)


def test_refused_and_reset() -> None:
    with faults.refused_port() as port, pytest.raises(ConnectionRefusedError):
        socket.create_connection((faults.LOOPBACK, port))
    with faults.resetting_port() as port, pytest.raises(ConnectionResetError):
        received(port)


TALKERS = [
    (faults.closing_port, b""),
    (faults.garbage_port, faults.GARBAGE[:1]),
    (faults.endless_port, faults.GARBAGE[:1]),
    (faults.dripping_port, faults.GARBAGE[:1]),
]


@pytest.mark.parametrize(("fault", "start"), TALKERS)
def test_first_bytes(fault: Callable[[], AbstractContextManager[int]], start: bytes) -> None:
    with fault() as port:
        assert received(port)[:1] == start


def test_http_replies_to_anything() -> None:
    with faults.http_port() as port:
        assert received(port, b"\x16\x03\x01").startswith(b"HTTP/1.1 400")


def test_silence() -> None:
    with faults.silent_port() as port, pytest.raises(TimeoutError):
        received(port, b"hello")


def received(port: int, request: bytes = b"") -> bytes:
    with socket.create_connection((faults.LOOPBACK, port), timeout=1) as connection:
        connection.sendall(request)
        return connection.recv(1024)


LEAVES = [
    ("leaf", None),
    ("expired", "certificate has expired"),
    ("not_yet_valid", "not yet valid"),
    ("soon_expiring", None),
]


@pytest.mark.parametrize(("kind", "complaint"), LEAVES)
def test_certificates(authority: Authority, kind: str, complaint: str | None) -> None:
    with faults.tls_port(getattr(authority, kind)().context()) as port:
        assert (complaint or "") in handshake(port, authority)


def test_certificates_of_no_trusted_authority(authority: Authority) -> None:
    with faults.tls_port(self_signed().context()) as port:
        assert "self-signed certificate" in handshake(port, authority)
    with faults.tls_port(Authority().leaf().context()) as port:
        assert "unable to get local issuer" in handshake(port, authority)


def test_old_tls(authority: Authority) -> None:
    with faults.old_tls_port(authority.leaf()) as port:
        assert "version" in handshake(port, authority).lower()


def handshake(port: int, authority: Authority) -> str:
    """The protocol version, or the error."""
    context = ssl.create_default_context(cadata=authority.pem.decode())
    try:
        plain = socket.create_connection((faults.LOOPBACK, port), timeout=2)
        with plain, context.wrap_socket(plain, server_hostname="localhost") as connection:
            return connection.version() or ""
    except ssl.SSLError as error:
        return str(error)
