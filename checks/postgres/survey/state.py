"""The state of a Postgres, as the statements return it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any

from checks.postgres.survey.statements import MAX_VERSIONS, SCHEMA_ENDINGS

_WORD = re.compile(r"(\d{1,19}):(\d{1,9}):(.*)", re.DOTALL)


@dataclass(frozen=True)
class Plane:
    """One plane's schemas.

    ``unusable``: by schema, the tables and sequences on which the role lacks rights; the schema's own name where the
    role lacks USAGE on it. ``migrating``: pids of sessions that hold locks as a migration does.
    """

    name: str
    exists: bool
    has_tables: bool
    unusable: Mapping[str, tuple[str, ...]]
    has_migrations: bool
    has_workflow_migrations: bool
    migrating: tuple[int, ...]


@dataclass(frozen=True)
class ServerState:
    """The result of the statements, and what the login reported.

    ``left``: connections left under the tightest limit: the server's, the database's or the role's.
    """

    pid: int
    local_port: int
    key_pid: int  # the backend's pid as reported at the login
    version: int  # server_version_num
    client_port: int | None  # of this connection, as the server sees it
    system: str | None
    started: str
    database: int
    name: str
    role: str
    in_recovery: bool
    read_only: bool
    may_create: bool
    left: int
    own: int  # other sessions of the same role
    planes: tuple[Plane, ...]
    ciphertexts: tuple[tuple[str, str], ...] | str | None

    @property
    def pooled(self) -> bool:
        """Whether a pooler replied: at the login it reports a made-up pid (PgBouncer, in every mode)."""
        return self.pid != self.key_pid

    @property
    def relayed(self) -> bool:
        """Whether something is in between: the server sees another client port than the local one."""
        return self.client_port is not None and self.client_port != self.local_port

    def facts(self) -> dict[str, object]:
        """The values that are compared with those of other checks."""
        return {
            "system": self.system,
            "database": self.database,
            "database_name": self.name,
            "started": self.started,
            "in_recovery": self.in_recovery,
            "version": self.version,
            "pooled": self.pooled,
            "relayed": self.relayed,
        }


def read(answer: str, planes: tuple[str, ...], *, key_pid: int, local_port: int, version: int) -> ServerState:
    """The state from the JSON that the statements return. Raises ValueError when ``answer`` is something else."""
    try:
        row = json.loads(answer)
        return ServerState(
            pid=row["pid"],
            local_port=local_port,
            key_pid=key_pid,
            version=version,
            client_port=row["client_port"],
            system=_digits(row["system"]),
            started=row["started"],
            database=row["database"],
            name=row["name"],
            role=_text(row["role"]),
            in_recovery=row["recovery"],
            read_only=row["read_only"],
            may_create=row["may_create"],
            left=_left(row),
            own=int(row["role_used"]) - 1,
            planes=tuple(_plane(plane, row) for plane in planes),
            ciphertexts=_ciphertexts(row["ciphertexts"]),
        )
    except (KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError("not the result of the statements") from error


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _plane(plane: str, row: dict[str, Any]) -> Plane:
    schemas = row["schemas"] or {}
    recorded = {tuple(table) for table in row["recorded"] or []}
    has_migrations = (f"{plane}_meta", "schema_migrations") in recorded
    # Only the locks of a first migration are visible yet, not its tables: such locks have no schema name.
    uncommitted = set() if has_migrations else {""}
    own = {f"{plane}{ending}" for ending in SCHEMA_ENDINGS}
    return Plane(
        name=plane,
        exists=plane in schemas,
        has_tables=plane in (row["populated"] or []),
        unusable={schema: _unusable(schema, row) for schema in sorted(own & schemas.keys())},
        has_migrations=has_migrations,
        has_workflow_migrations=(f"{plane}_openworkflow", "openworkflow_migrations") in recorded,
        migrating=tuple(sorted({pid for schema, pid in row["locked"] or [] if schema in own | uncommitted})),
    )


def _unusable(schema: str, row: dict[str, Any]) -> tuple[str, ...]:
    if not row["schemas"][schema]:
        return (schema,)
    return tuple(str(name) for in_schema, name in row["unusable"] or [] if in_schema == schema)


def _left(row: dict[str, Any]) -> int:
    limits = [
        (row["max"], row["used"]),
        (row["database_limit"], row["database_used"]),
        (row["role_limit"], row["role_used"]),
    ]
    return min(int(limit) - int(used or 0) for limit, used in limits if limit >= 0)


def _digits(number: str | None) -> str | None:
    return number if number and re.fullmatch(r"\d+", number) else None


def _ciphertexts(answer: list[str] | str | None) -> tuple[tuple[str, str], ...] | str | None:
    """Each version of the master key with one ciphertext, joined from its parts; "locked", or None."""
    if answer is None or answer == "denied":  # the access layer reports a denied table
        return None
    if answer == "locked":
        return "locked"
    parts = sorted((int(part[1]), int(part[2]), part[3]) for part in map(_WORD.fullmatch, answer) if part)
    versions = islice(groupby(parts, lambda part: part[0]), MAX_VERSIONS)
    return tuple((str(version), "".join(part[2] for part in same)) for version, same in versions)
