"""The one statement: everything that is asked of a Postgres, in one flight, changing nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any

# ts_stat() runs a query that must not be run where the role lacks the right for it, or the table is not there: plain
# SQL would be refused as a whole. Every build has it, and it hands back words of up to 2 KB, in any order. The search
# path keeps names from meaning what somebody put in `public`.
_STATEMENTS = """
begin read only;
set local statement_timeout = {limit};
set local lock_timeout = 1000;
set local search_path = pg_catalog, pg_temp;
select json_build_object(
  'pid', pg_backend_pid(), 'client_port', inet_client_port(),
  'started', extract(epoch from pg_postmaster_start_time())::text,
  'system', case when has_function_privilege('pg_control_system()', 'execute')
      then (select min(word) from ts_stat(
          'select array_to_tsvector(array[system_identifier::text]) from pg_control_system()')) end,
  'database', d.oid::bigint, 'name', d.datname,
  'recovery', pg_is_in_recovery(),
  'read_only', current_setting('default_transaction_read_only') = 'on',
  'may_create', has_database_privilege(d.oid, 'create'),
  'max', current_setting('max_connections')::int - case when r.rolsuper then 0 else
      current_setting('superuser_reserved_connections')::int
      + coalesce(current_setting('reserved_connections', true), '0')::int end,
  'used', (select sum(numbackends) from pg_stat_database),
  'database_limit', case when r.rolsuper then -1 else d.datconnlimit end,
  'database_used', (select numbackends from pg_stat_database s where s.datid = d.oid),
  'role', r.rolname, 'role_limit', case when r.rolsuper then -1 else r.rolconnlimit end,
  'role_used', (select count(*) from pg_stat_activity a where a.usesysid = r.oid),
  'schemas', (select json_object_agg(n.nspname, has_schema_privilege(n.oid, 'usage'))
      from pg_namespace n where n.nspname = any ({schemas})),
  'recorded', (select json_agg(json_build_array(n.nspname, c.relname))
      from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where n.nspname = any ({schemas}) and c.relname in ('schema_migrations', 'openworkflow_migrations')),
  'populated', (select json_agg(n.nspname) from pg_namespace n where n.nspname = any ({schemas})
      and exists (select from pg_class c where c.relnamespace = n.oid and c.relkind in ('r', 'p'))),
  'unusable', (select json_agg(json_build_array(u.nspname, u.relname)) from (
      select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where n.nspname = any ({schemas}) and case
        when c.relkind in ('r', 'p') then not (
          has_table_privilege(c.oid, 'select') and has_table_privilege(c.oid, 'insert')
          and has_table_privilege(c.oid, 'update') and has_table_privilege(c.oid, 'delete'))
        when c.relkind = 'S' then not has_sequence_privilege(c.oid, 'usage')  -- an identity column's needs none
          and not exists (select from pg_depend p where p.objid = c.oid and p.deptype = 'i')
        end order by 1, 2 limit 100) u),
  'locked', (select json_agg(json_build_array(coalesce(n.nspname, ''), l.pid))
      from pg_locks l left join pg_class c on c.oid = l.relation left join pg_namespace n on n.oid = c.relnamespace
      where l.locktype = 'relation' and l.database = d.oid and l.granted and l.pid <> pg_backend_pid()
        and (l.mode in ('AccessExclusiveLock', 'ExclusiveLock', 'ShareRowExclusiveLock')
             or l.mode = 'RowExclusiveLock' and c.relname = 'schema_migrations')
        and (n.nspname = any ({schemas})
             or c.oid is null and exists (select from pg_stat_activity a where a.pid = l.pid and a.usesysid = r.oid))),
  'ciphertexts', (select case
        when not (has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select')) then '"denied"'
        when exists (select from pg_locks l where l.relation = c.oid and l.mode = 'AccessExclusiveLock') then '"locked"'
        else (select coalesce(json_agg(word), '[]') from ts_stat(
            'select array_to_tsvector(array_agg(v || '':'' || part || '':'' || substr(c, part * {part} + 1, {part})))
             from (select master_key_version v, coalesce(min(ciphertext), '''') c
                   from control_plane.organization_credential_keys group by 1 order by 1 limit {most}) k,
                  generate_series(0, length(c) / {part}) part')) end
      from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where {credentials} and n.nspname = 'control_plane'
        and c.relname = 'organization_credential_keys' and c.relkind in ('r', 'p')
        and 2 = (select count(*) from pg_attribute a where a.attrelid = c.oid
                 and a.attname in ('master_key_version', 'ciphertext') and not a.attisdropped))
)
from pg_database d, pg_roles r
where d.datname = current_database() and r.rolname = current_user;
rollback
"""
_WORD = re.compile(r"(\d{1,19}):(\d{1,9}):(.*)", re.DOTALL)
_LONGEST = 2**31 - 1  # milliseconds: more is no value of statement_timeout
_MOST = 100  # versions of master keys: each may be a finding
_PART = 400  # characters of a ciphertext
_PARTS = ("", "_meta", "_openworkflow")


@dataclass(frozen=True)
class Plane:
    """What one plane's schemas hold. ``unusable``: what the role lacks rights on, by schema, the schema's own name
    where it lacks USAGE; ``migrating``: pids of sessions with locks.
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
    """The answer. Connections are counts; ``left`` after the tightest of the server's, database's and role's limits."""

    pid: int
    local_port: int
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
    own: int  # sessions of the same role, this one not counted
    planes: tuple[Plane, ...]
    ciphertexts: tuple[tuple[str, str], ...] | str | None

    @property
    def pooled(self) -> bool:
        """Whether a pooler answered: it hands out a made-up pid for cancellation (PgBouncer, in every mode)."""
        return self.pid != self.key_pid

    @property
    def relayed(self) -> bool:
        """Whether somebody is in between: the server sees another port than the one that this end has."""
        return self.client_port is not None and self.client_port != self.local_port


def statements(planes: tuple[str, ...], limit: float) -> str:
    """One message for the simple query protocol; ``limit`` in seconds."""
    schemas = ", ".join(f"'{plane}{part}'" for plane in planes for part in _PARTS)
    return _STATEMENTS.format(
        schemas=f"array[{schemas}]",
        credentials=str("control_plane" in planes).lower(),
        limit=max(1, min(int(limit * 1000), _LONGEST)),
        part=_PART,
        most=_MOST,
    )


def read(answer: str, planes: tuple[str, ...], *, key_pid: int, local_port: int, version: int) -> ServerState:
    """The JSON that the statement returns, with what the login told. Raises ValueError when it is something else."""
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
        raise ValueError("the answer is not the statement's") from error


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _plane(plane: str, row: dict[str, Any]) -> Plane:
    schemas = row["schemas"] or {}
    recorded = {tuple(table) for table in row["recorded"] or []}
    has_migrations = (f"{plane}_meta", "schema_migrations") in recorded
    uncommitted = set() if has_migrations else {""}  # a first migration's tables are not visible yet, its locks are
    mine = {f"{plane}{part}" for part in _PARTS}
    return Plane(
        name=plane,
        exists=plane in schemas,
        has_tables=plane in (row["populated"] or []),
        unusable={schema: _unusable(schema, row) for schema in sorted(mine & schemas.keys())},
        has_migrations=has_migrations,
        has_workflow_migrations=(f"{plane}_openworkflow", "openworkflow_migrations") in recorded,
        migrating=tuple(sorted({pid for schema, pid in row["locked"] or [] if schema in mine | uncommitted})),
    )


def _unusable(schema: str, row: dict[str, Any]) -> tuple[str, ...]:
    if not row["schemas"][schema]:
        return (schema,)
    return tuple(str(name) for holder, name in row["unusable"] or [] if holder == schema)


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
    """Each version of the master key with a ciphertext, put together from its parts."""
    if answer is None or answer == "denied":  # then the access rung has said so
        return None
    if answer == "locked":
        return "locked"
    parts = sorted((int(part[1]), int(part[2]), part[3]) for part in map(_WORD.fullmatch, answer) if part)
    versions = islice(groupby(parts, lambda part: part[0]), _MOST)
    return tuple((str(version), "".join(part[2] for part in same)) for version, same in versions)
