"""The one statement: everything that is asked of a Postgres, in one flight, changing nothing."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

# query_to_xml() runs a query that must not be run where the role lacks the right for it, or the table is not there:
# plain SQL would be refused as a whole. The search path keeps names from meaning what somebody put in `public`.
_STATEMENTS = """
begin read only;
set local statement_timeout = {limit};
set local lock_timeout = 1000;
set local search_path = pg_catalog, pg_temp;
select json_build_object(
  'pid', pg_backend_pid(), 'client_port', inet_client_port(),
  'started', pg_postmaster_start_time()::text,
  'system', case when has_function_privilege('pg_control_system()', 'execute')
      then query_to_xml('select system_identifier from pg_control_system()', false, true, '')::text end,
  'database', d.oid::bigint, 'name', d.datname,
  'recovery', pg_is_in_recovery(),
  'read_only', current_setting('default_transaction_read_only') = 'on',
  'may_create', has_database_privilege(d.oid, 'create'),
  'max', current_setting('max_connections')::int
      - current_setting('superuser_reserved_connections')::int
      - coalesce(current_setting('reserved_connections', true), '0')::int,
  'used', (select sum(numbackends) from pg_stat_database),
  'database_limit', d.datconnlimit,
  'database_used', (select numbackends from pg_stat_database s where s.datid = d.oid),
  'role', r.rolname, 'role_limit', r.rolconnlimit,
  'role_used', (select count(*) from pg_stat_activity a where a.usesysid = r.oid),
  'schemas', (select json_object_agg(n.nspname, has_schema_privilege(n.oid, 'usage'))
      from pg_namespace n where n.nspname = any ({schemas})),
  'tables', (select json_agg(json_build_array(n.nspname, c.relname,
        has_table_privilege(c.oid, 'select') and has_table_privilege(c.oid, 'insert')
        and has_table_privilege(c.oid, 'update') and has_table_privilege(c.oid, 'delete')))
      from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where n.nspname = any ({schemas}) and c.relkind in ('r', 'p')),
  'locked', (select json_agg(json_build_array(coalesce(n.nspname, ''), l.pid))
      from pg_locks l left join pg_class c on c.oid = l.relation left join pg_namespace n on n.oid = c.relnamespace
      where l.locktype = 'relation' and l.database = d.oid and l.granted and l.pid <> pg_backend_pid()
        and (l.mode in ('AccessExclusiveLock', 'ExclusiveLock', 'ShareRowExclusiveLock')
             or l.mode = 'RowExclusiveLock' and c.relname = 'schema_migrations')
        and (n.nspname = any ({schemas}) or c.oid is null)),
  'ciphertexts', (select case
        when not (has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select')) then 'denied'
        when exists (select from pg_locks l where l.relation = c.oid and l.mode = 'AccessExclusiveLock') then 'locked'
        else query_to_xml('select master_key_version v, min(ciphertext) c
            from control_plane.organization_credential_keys group by 1 order by 1', false, true, '')::text end
      from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where n.nspname = 'control_plane' and c.relname = 'organization_credential_keys' and c.relkind in ('r', 'p')
        and 2 = (select count(*) from pg_attribute a where a.attrelid = c.oid
                 and a.attname in ('master_key_version', 'ciphertext') and not a.attisdropped))
)
from pg_database d, pg_roles r
where d.datname = current_database() and r.rolname = current_user;
rollback
"""
_PARTS = ("", "_meta", "_openworkflow")


@dataclass(frozen=True)
class Plane:
    """What one plane's schemas hold. ``unusable``: tables where the role lacks DML; ``migrating``: pids with locks."""

    name: str
    exists: bool
    has_tables: bool
    usable: bool
    unusable: tuple[str, ...]
    has_migrations: bool
    has_workflow_migrations: bool
    migrating: tuple[int, ...]


@dataclass(frozen=True)
class Survey:
    """The answer. Connections are counts; ``left`` after the tightest of the server's, database's and role's limits."""

    pid: int
    key_pid: int  # what the login handed out as the backend's pid
    version: int  # server_version_num
    client_port: int | None  # as the server sees it
    system: str | None
    started: str
    database: int
    name: str
    role: str
    in_recovery: bool
    read_only: bool
    may_create: bool
    left: int
    planes: tuple[Plane, ...]
    ciphertexts: tuple[tuple[str, str], ...] | str | None

    @property
    def pooled(self) -> bool:
        """Whether a pooler answered: it hands out a made-up pid for cancellation (PgBouncer, in every mode)."""
        return self.pid != self.key_pid


def statements(planes: tuple[str, ...], limit: float) -> str:
    """One message for the simple query protocol; ``limit`` in seconds."""
    schemas = ", ".join(f"'{plane}{part}'" for plane in planes for part in _PARTS)
    return _STATEMENTS.format(schemas=f"array[{schemas}]", limit=max(1, int(limit * 1000)))


def read(answer: str, planes: tuple[str, ...], *, key_pid: int, version: int) -> Survey:
    """The JSON that the statement returns, with what the login told."""
    row = json.loads(answer)
    return Survey(
        pid=row["pid"],
        key_pid=key_pid,
        version=version,
        client_port=row["client_port"],
        system=_digits(row["system"]),
        started=row["started"],
        database=row["database"],
        name=row["name"],
        role=row["role"],
        in_recovery=row["recovery"],
        read_only=row["read_only"],
        may_create=row["may_create"],
        left=_left(row),
        planes=tuple(_plane(plane, row) for plane in planes),
        ciphertexts=_ciphertexts(row["ciphertexts"]),
    )


def _plane(plane: str, row: dict[str, Any]) -> Plane:
    tables = [tuple(table) for table in row["tables"] or []]
    own = {name: usable for schema, name, usable in tables if schema == plane}
    names = {(schema, name) for schema, name, _ in tables}
    schemas = row["schemas"] or {}
    recorded = (f"{plane}_meta", "schema_migrations") in names
    uncommitted = {""} if not recorded else set()  # a first migration's tables are not visible yet, its locks are
    mine = {f"{plane}{part}" for part in _PARTS} | uncommitted
    return Plane(
        name=plane,
        exists=plane in schemas,
        has_tables=bool(own),
        usable=schemas.get(plane, True),
        unusable=tuple(sorted(name for name, usable in own.items() if not usable)),
        has_migrations=recorded,
        has_workflow_migrations=(f"{plane}_openworkflow", "openworkflow_migrations") in names,
        migrating=tuple(sorted({pid for schema, pid in row["locked"] or [] if schema in mine})),
    )


def _left(row: dict[str, Any]) -> int:
    limits = [
        (row["max"], row["used"]),
        (row["database_limit"], row["database_used"]),
        (row["role_limit"], row["role_used"]),
    ]
    return min(int(limit) - int(used or 0) for limit, used in limits if limit >= 0)


def _digits(xml: str | None) -> str | None:
    found = re.search(r">(\d+)<", xml or "")
    return found and found[1]


def _ciphertexts(answer: str | None) -> tuple[tuple[str, str], ...] | str | None:
    if answer is None or answer in {"denied", "locked"}:
        return answer
    return tuple(re.findall(r"<v>(\d+)</v>\s*<c>([^<]*)</c>", answer))
