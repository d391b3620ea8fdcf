"""The state of a Postgres server, in the form that the rules read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class MigrationsTable:
    """A table in which migrations are recorded. ``kind``: as in pg_class.relkind, "" if it does not exist.

    ``content``: how many migrations it has, or the last version of OpenWorkflow's; None where the role may not read it.
    """

    name: str
    kind: str = ""
    content: int | None = None

    @property
    def is_table(self) -> bool:
        return self.kind in {"r", "p"}


@dataclass(frozen=True)
class Plane:
    """One plane's schemas.

    ``unusable``: by schema, the tables and sequences on which the role lacks rights; the schema's own name where the
    role lacks USAGE on it. ``closed``: the schemas in which it may not create; ``not_owned``: tables of other roles,
    and these roles. ``hidden``: the tables of which row-level security may hide rows, and whether a policy admits any.
    ``migrating``: pids of sessions that hold locks as a migration does.
    """

    name: str
    exists: bool
    has_tables: bool
    unusable: Mapping[str, tuple[str, ...]]
    closed: tuple[str, ...]
    not_owned: tuple[tuple[str, str], ...]
    hidden: tuple[tuple[str, bool], ...]
    migrations: MigrationsTable
    workflow_migrations: MigrationsTable
    workflow_tables: int
    migrating: tuple[int, ...]


@dataclass(frozen=True)
class ServerState:
    """The result of the statements, and what the login reported.

    A fact that the server refused is None or empty, and named in ``unknown``. ``limits``: how many connections the
    server, the database and the role allow, and how many are left. ``read_only_by``: each place where the
    catalogue has the setting: whether for one role, and whether for one database. ``timeouts``: in milliseconds,
    0 for none.
    ``bridges``: by role that runs migrations, which of the objects that it will create this role may use: all,
    tables or nothing.
    """

    pid: int
    local_port: int
    key_pid: int  # the backend's pid as reported at the login
    version: int  # server_version_num
    client_port: int | None  # of this connection, as the server sees it
    system: str | None
    started: str | None
    database: int | None
    name: str
    role: str
    in_recovery: bool | None
    read_only: bool | None
    read_only_by: tuple[tuple[bool, bool], ...]
    encoding: str | None
    timeouts: Mapping[str, int]
    event_triggers: tuple[str, ...]
    may_create: bool | None
    max_connections: int | None
    limits: Mapping[str, tuple[int, int]]
    own: int  # other sessions of the same role
    bridges: Mapping[str, str]
    planes: tuple[Plane, ...]
    unknown: tuple[str, ...]
    ciphertexts: tuple[tuple[str, str], ...] | str | None

    @property
    def left(self) -> int | None:
        """Connections left under the tightest limit; None if there is none."""
        return min((left for _, left in self.limits.values()), default=None)

    @property
    def pooled(self) -> bool:
        """Whether a pooler replied: at the login it reports a made-up pid (PgBouncer, in every mode)."""
        return self.pid != self.key_pid

    @property
    def relayed(self) -> bool:
        """Whether something is in between: the server sees another client port than the local one."""
        return self.client_port is not None and self.client_port != self.local_port

    def facts(self) -> dict[str, object]:
        """The values that are compared with those of other checks; none where the server refused one of them."""
        own: dict[str, object] = {"version": self.version, "pooled": self.pooled, "relayed": self.relayed}
        if {"database", "name", "started", "recovery"} & {*self.unknown}:
            return own
        return {
            "system": self.system,
            "database": self.database,
            "database_name": self.name,
            "started": self.started,
            "in_recovery": self.in_recovery,
            **own,
        }
