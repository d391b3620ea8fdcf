"""Postgres 17: a database `mistle` owned by a role `mistle`. Keywords are Postgres' own settings."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql as quoting

from tests.testbed.certificates import Leaf
from tests.testbed.containers import LOOPBACK, NotReadyError, Server, running

PASSWORD = "p@ss:w/rd%"
SUPERUSER, SUPERUSER_PASSWORD = "postgres", "postgres-superuser"
TLS = {"ssl": "on", "ssl_cert_file": "/files/server.pem", "ssl_key_file": "/files/server.key"}
SUPERUSER_GETS_IN = f"local all all trust\nhost all {SUPERUSER} all scram-sha-256\n"
_numbers = count(1)

Row = tuple[object, ...]


@dataclass(frozen=True)
class Endpoint(Server):
    """A server of Postgres' protocol. ``name``: the role that tests log in as, and its database."""

    name: str = "mistle"

    def url(self, role: str = "", password: str = PASSWORD, database: str = "", **query: str) -> str:
        """A URL as an operator writes it: user and password are percent-encoded."""
        login = f"{quote(role or self.name, safe='')}:{quote(password, safe='')}"
        url = f"postgresql://{login}@{self.host}:{self.port}/{quote(database or self.name)}"
        return f"{url}?{urlencode(query)}" if query else url


class Postgres(Endpoint):
    def sql(self, statement: str, *parameters: object, database: str = "postgres") -> list[Row]:
        """Run as superuser, in autocommit; writes even if that is off by default."""
        with connect(self.port, database) as connection:
            cursor = connection.execute(statement.encode(), parameters or None)
            return cursor.fetchall() if cursor.description else []

    def role(self, options: str = "", password: str = PASSWORD) -> str:
        """A new role that may log in; `options` as in CREATE ROLE."""
        name = f"{self.name}_role_{next(_numbers)}"
        self.sql(_compose(f"CREATE ROLE {{}} LOGIN PASSWORD {{}} {options}", name, password))
        return name

    def database(self, owner: str = "", options: str = "") -> str:
        """A new, empty database; `options` as in CREATE DATABASE."""
        name = f"{self.name}_database_{next(_numbers)}"
        self.sql(f"CREATE DATABASE {name} OWNER {owner or self.name} {options}")
        return name

    @contextmanager
    def part(self, name: str) -> "Iterator[Postgres]":
        """The same server, with a role and a database of this name instead of `mistle`; at the end, without them."""
        part = replace(self, name=name)
        part.remove_part()
        self.sql(_compose("CREATE ROLE {} LOGIN PASSWORD {}", name, PASSWORD))
        self.sql(f"CREATE DATABASE {name} OWNER {name}")
        yield part
        part.remove_part()

    def remove_part(self) -> None:
        """Every role and database that tests have made under this name."""
        for kind, catalogue, how in (("database", "pg_database", "WITH (FORCE)"), ("role", "pg_roles", "")):
            column = "datname" if kind == "database" else "rolname"
            names = self.sql(
                f"SELECT {column} FROM {catalogue} WHERE {column} = %s OR {column} ~ %s",
                self.name,
                f"^{self.name}_(role|database)_",
            )
            for (name,) in names:
                self.sql(f'DROP {kind} "{name}" {how}')


@dataclass(frozen=True)
class Build:
    """Which Postgres runs: that of an image, or one whose ``programs`` are in a folder of this machine."""

    image: str = "postgres"
    programs: Path | None = None

    def command(self, flags: Sequence[str]) -> list[str]:
        server = ["postgres-server", *flags]
        return ["sh", "-c", f'{_INITIALISE} && exec "$@"', "sh", *server] if self.programs else server

    def options(self, environment: Mapping[str, str]) -> dict[str, Any]:
        if not self.programs:
            return {"env": dict(environment)} if environment else {}
        installed, folder = self.programs.parents[1], "/".join(self.programs.parts[-2:])
        variables = {"PATH": f"/version/{folder}/bin:/usr/local/bin:/usr/bin:/bin", "PGHOST": "/var/run/postgresql"}
        return {"env": {**variables, **environment}, "volumes": [(str(installed), "/version", "ro")]}


# On a port of its own: it is not ready yet.
_INITIALISE = "PGPORT=5431 setpriv --reuid postgres --regid postgres --init-groups initialise"


@contextmanager
def postgres_server(
    hba: str = "",
    certificate: Leaf | None = None,
    kept: str = "",
    environment: Mapping[str, str] | None = None,
    files: Mapping[str, bytes] | None = None,
    build: Build = Build(),
    **settings: object,
) -> Iterator[Postgres]:
    """A primary of its own identity, with `files` in its /files.

    `hba`: lines instead of pg_hba.conf; the superuser may always log in.
    """
    contents = dict(files or {})
    if hba:
        contents["pg_hba.conf"] = f"{SUPERUSER_GETS_IN}{hba}\n".encode()
        settings = {"hba_file": "/files/pg_hba.conf"} | settings
    if certificate:
        contents |= certificate.files()
        settings = TLS | settings
    command, options = build.command(_flags(settings)), build.options(environment or {})
    with running(build.image, command, 5432, _set_password, contents, kept=kept, **options) as fields:
        yield Postgres(*fields)


@contextmanager
def postgres_replica(primary: Postgres, **settings: object) -> Iterator[Postgres]:
    """A standby that streams from `primary`; with hot_standby="off" it accepts no connection."""
    host, _, _port = primary.address.partition(":")
    ready = _is_starting_up if settings.get("hot_standby") == "off" else _log_in
    with running("postgres", ["replica", host, *_flags(settings)], 5432, ready, {}) as fields:
        yield Postgres(*fields, name=primary.name)


@contextmanager
def postgres_starting_up() -> Iterator[Postgres]:
    """A server that refuses every login with "the database system is starting up"."""
    with running("postgres", ["postgres-starting-up"], 5432, _is_starting_up, {}) as fields:
        yield Postgres(*fields)


def connect(port: int, database: str = "postgres") -> psycopg.Connection[Row]:
    return psycopg.connect(
        host=LOOPBACK,
        port=port,
        dbname=database,
        user=SUPERUSER,
        password=SUPERUSER_PASSWORD,
        autocommit=True,
        options="-c default_transaction_read_only=off",
    )


def _flags(settings: Mapping[str, object]) -> list[str]:
    return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]


def _compose(statement: str, role: str, password: str) -> str:
    return quoting.SQL(statement).format(quoting.Identifier(role), quoting.Literal(password)).as_string()


def _log_in(port: int, statement: str = "SELECT") -> None:
    try:
        with connect(port) as connection:
            connection.execute(statement.encode())
    except psycopg.OperationalError as error:
        raise NotReadyError from error


def _set_password(port: int) -> None:
    _log_in(port, _compose("ALTER ROLE {} PASSWORD {}", "mistle", PASSWORD))


def _is_starting_up(port: int) -> None:
    try:
        connect(port).close()
    except psycopg.OperationalError as error:
        if not re.search("is starting up|Hot standby mode is disabled", str(error)):
            raise NotReadyError from error
