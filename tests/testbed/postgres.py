"""Postgres 17: a database `mistle` owned by a role `mistle`; flags are Postgres' settings."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql as quoting

from testbed.certificates import Leaf
from testbed.containers import LOOPBACK, NotReady, Server, running

PASSWORD = "p@ss:w/rd%"
SUPERUSER = {"user": "postgres", "password": "postgres-superuser"}
_numbers = count(1)


def url(port: int, role: str = "mistle", password: str = PASSWORD, database: str = "mistle", **query: str) -> str:
    """A URL as an operator writes it: user and password are percent-encoded."""
    credentials = f"{quote(role, safe='')}:{quote(password, safe='')}"
    return f"postgresql://{credentials}@{LOOPBACK}:{port}/{quote(database)}" + ("?" + urlencode(query) if query else "")


class Postgres(Server):
    def url(self, role: str = "mistle", password: str = PASSWORD, database: str = "mistle", **query: str) -> str:
        return url(self.port, role, password, database, **query)

    def sql(self, statement: str, *parameters: object, database: str = "postgres") -> list[tuple[object, ...]]:
        """Runs as superuser, each statement in its own transaction; writes even where that is off by default."""
        with connect(self.port, database) as connection:
            cursor = connection.execute(statement.encode(), parameters or None)
            return cursor.fetchall() if cursor.description else []

    def role(self, options: str = "", password: str = PASSWORD) -> str:
        """A new role that may log in; `options` as in CREATE ROLE."""
        name = f"role_{next(_numbers)}"
        self.sql(_compose(f"CREATE ROLE {{}} LOGIN PASSWORD {{}} {options}", name, password))
        return name

    def database(self, owner: str = "mistle", options: str = "") -> str:
        """A new, empty database; `options` as in CREATE DATABASE."""
        name = f"database_{next(_numbers)}"
        self.sql(f"CREATE DATABASE {name} OWNER {owner} {options}")
        return name


@contextmanager
def postgres_server(
    hba: str = "", certificate: Leaf | None = None, files: Mapping[str, bytes] | None = None, **settings: object
) -> Iterator[Postgres]:
    """A primary of its own identity. `hba`: lines that replace pg_hba.conf (the superuser always gets in)."""
    contents = dict(files or {})
    if hba:
        contents["pg_hba.conf"] = f"local all all trust\nhost all postgres all scram-sha-256\n{hba}\n".encode()
        settings["hba_file"] = "/files/pg_hba.conf"
    if certificate:
        contents |= certificate.files()
        settings |= {"ssl": "on", "ssl_cert_file": "/files/server.pem", "ssl_key_file": "/files/server.key"}
    with running("postgres", ["postgres-server", *_flags(settings)], 5432, _set_password, contents) as fields:
        yield Postgres(*fields)


@contextmanager
def postgres_replica(primary: Postgres, **settings: object) -> Iterator[Postgres]:
    """A hot standby that streams from `primary`."""
    command = ["replica", primary.address.split(":")[0], *_flags(settings)]
    with running("postgres", command, 5432, _answers, {}) as fields:
        yield Postgres(*fields)


@contextmanager
def postgres_starting_up() -> Iterator[Postgres]:
    """A server that refuses every login with "the database system is starting up"."""
    with running("postgres", ["postgres-starting-up"], 5432, _is_starting_up, {}) as fields:
        yield Postgres(*fields)


def connect(port: int, database: str = "postgres", **options: str) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(
        host=LOOPBACK, port=port, dbname=database, autocommit=True, **SUPERUSER,
        options="-c default_transaction_read_only=off", **options,
    )


def _compose(statement: str, role: str, password: str) -> str:
    return quoting.SQL(statement).format(quoting.Identifier(role), quoting.Literal(password)).as_string()


def _flags(settings: Mapping[str, object]) -> list[str]:
    return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]


def _answers(port: int) -> None:
    try:
        connect(port).close()
    except psycopg.OperationalError as error:
        raise NotReady(str(error)) from error


def _set_password(port: int) -> None:
    try:
        with connect(port) as connection:
            connection.execute(_compose("ALTER ROLE {} PASSWORD {}", "mistle", PASSWORD))
    except psycopg.OperationalError as error:
        raise NotReady(str(error)) from error


def _is_starting_up(port: int) -> None:
    try:
        connect(port).close()
    except psycopg.OperationalError as error:
        if "is starting up" not in str(error):
            raise NotReady(str(error)) from error
