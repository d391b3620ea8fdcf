"""Reads the state of a Postgres from the JSON that the statements return."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from itertools import groupby, islice
from typing import Any

from checks.postgres.inspection.facts import FACTS, MAX_VERSIONS
from checks.postgres.inspection.statements import SCHEMA_ENDINGS
from checks.postgres.state import MigrationsTable, Plane, ServerState

_WORD = re.compile(r"(\d{1,19}):(\d{1,9}):(.*)", re.DOTALL)
_ALL = "schemas"  # without this fact nothing is known of a plane


def parse_state(
    result: Mapping[str, Any], planes: tuple[str, ...], *, key_pid: int, local_port: int, version: int
) -> ServerState:
    """The state from the facts. Raises ValueError when they are something else."""
    try:
        row = {name: result.get(name) for name in FACTS}
        unknown = tuple(name for name in FACTS if name not in result)
        return ServerState(
            pid=result["pid"],
            local_port=local_port,
            key_pid=key_pid,
            version=version,
            client_port=row["client_port"],
            system=_digits(row["system"]),
            started=row["started"],
            database=row["database"],
            name=_text(row["name"]),
            role=_text(row["role"]),
            in_recovery=row["recovery"],
            read_only=row["read_only"],
            read_only_by=tuple((bool(role), bool(database)) for role, database in row["read_only_by"] or ()),
            encoding=row["encoding"],
            timeouts={name: int(value) for name, value in (row["timeouts"] or {}).items()},
            event_triggers=tuple(map(str, row["event_triggers"] or ())),
            may_create=row["may_create"],
            max_connections=None if row["max_connections"] is None else int(row["max_connections"]),
            limits=_limits(row),
            own=int(row["role_used"] or 1) - 1,
            bridges={role: _text(usable) for role, usable in dict(row["bridges"] or {}).items()},
            planes=() if _ALL in unknown else tuple(_plane(plane, row) for plane in planes),
            unknown=unknown,
            ciphertexts=_ciphertexts(row["ciphertexts"]),
        )
    except (KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError("not the result of the statements") from error


def parse_json(result: str) -> Any:
    """The JSON of a result. Raises ValueError."""
    try:
        return json.loads(result)
    except RecursionError as error:
        raise ValueError("too deep") from error


def _text(value: object) -> str:
    """A name; "" where the server refused it."""
    if not isinstance(value, str | None):
        raise TypeError(value)
    return value or ""


def _plane(plane: str, row: Mapping[str, Any]) -> Plane:
    schemas = row["schemas"] or {}
    tables = {(schema, name): _migrations_table(schema, name, *rest) for schema, name, *rest in row["recorded"] or ()}
    meta, workflow = (f"{plane}_meta", "schema_migrations"), (f"{plane}_openworkflow", "openworkflow_migrations")
    migrations = tables.get(meta, MigrationsTable(".".join(meta)))
    # Only the locks of a first migration are visible yet, not its tables: such locks have no schema name.
    uncommitted = set() if migrations.kind else {""}
    own = {f"{plane}{ending}" for ending in SCHEMA_ENDINGS}
    return Plane(
        name=plane,
        exists=plane in schemas,
        has_tables=plane in (row["populated"] or []),
        unusable={schema: _unusable(schema, row) for schema in sorted(own & schemas.keys())},
        closed=tuple(sorted(own & {*(row["closed"] or ())})),
        not_owned=tuple((f"{schema}.{name}", str(owner)) for schema, name, owner in _of(own, row["not_owned"])),
        hidden=tuple((f"{schema}.{name}", bool(visible)) for schema, name, visible in _of(own, row["hidden"])),
        migrations=migrations,
        workflow_migrations=tables.get(workflow, MigrationsTable(".".join(workflow))),
        workflow_tables=len(list(_of({workflow[0]}, row["workflow_tables"]))),
        migrating=tuple(sorted({pid for schema, pid in row["locked"] or [] if schema in own | uncommitted})),
    )


def _migrations_table(schema: str, name: str, kind: str, content: int | None) -> MigrationsTable:
    if not isinstance(content, int | None):
        raise TypeError(content)
    return MigrationsTable(f"{schema}.{name}", _text(kind), content)


def _of(schemas: set[str], rows: Iterable[list[Any]] | None) -> Iterable[list[Any]]:
    return (row for row in rows or () if row and row[0] in schemas)


def _unusable(schema: str, row: Mapping[str, Any]) -> tuple[str, ...]:
    if not row["schemas"][schema]:
        return (schema,)
    return tuple(str(name) for in_schema, name in row["unusable"] or [] if in_schema == schema)


def _limits(row: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    limits = {
        "server": (row["max"], row["used"]),
        "database": (row["database_limit"], row["database_used"]),
        "role": (row["role_limit"], row["role_used"]),
    }
    known = {scope: pair for scope, pair in limits.items() if pair[0] is not None and int(pair[0]) >= 0}
    return {scope: (int(limit), int(limit) - int(used or 0)) for scope, (limit, used) in known.items()}


def _digits(number: str | None) -> str | None:
    return number if number and re.fullmatch(r"\d+", number) else None


def _ciphertexts(result: list[str] | str | None) -> tuple[tuple[str, str], ...] | str | None:
    """Each version of the master key with one ciphertext, joined from its parts; "locked", or None."""
    if result is None or result == "denied":  # the access layer reports a denied table
        return None
    if result == "locked":
        return "locked"
    parts = sorted((int(part[1]), int(part[2]), part[3]) for part in map(_WORD.fullmatch, result) if part)
    versions = islice(groupby(parts, lambda part: part[0]), MAX_VERSIONS)
    return tuple((str(version), "".join(part[2] for part in same)) for version, same in versions)
