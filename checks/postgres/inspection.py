"""The statements that query the state of a Postgres, sent as one message, and their result. They write nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any

# ts_stat() runs a query only where the role has the right for it and the table exists: the server would refuse plain
# SQL as a whole. Every build has ts_stat(); it returns words of up to 2 KB, in any order, so a ciphertext comes in
# numbered parts. The search path excludes objects of the same name in `public`.
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
            'select array_to_tsvector(array_agg(v || '':'' || part || '':'' || substr(c, part * {size} + 1, {size})))
             from (select master_key_version v, coalesce(min(ciphertext), '''') c
                   from control_plane.organization_credential_keys group by 1 order by 1 limit {max_versions}) k,
                  generate_series(0, length(c) / {size}) part')) end
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
_MAX_TIMEOUT = 2**31 - 1  # milliseconds: the largest statement_timeout
_MAX_VERSIONS = 100  # of master keys: each may be a finding
_PART_SIZE = 400  # characters of a ciphertext
_SCHEMA_ENDINGS = ("", "_meta", "_openworkflow")


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


def statements(planes: tuple[str, ...], limit: float) -> str:
    """The text of one message of the simple query protocol; ``limit`` in seconds."""
    schemas = ", ".join(f"'{plane}{ending}'" for plane in planes for ending in _SCHEMA_ENDINGS)
    return _STATEMENTS.format(
        schemas=f"array[{schemas}]",
        credentials=str("control_plane" in planes).lower(),
        limit=max(1, min(int(limit * 1000), _MAX_TIMEOUT)),
        size=_PART_SIZE,
        max_versions=_MAX_VERSIONS,
    )


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
    own = {f"{plane}{ending}" for ending in _SCHEMA_ENDINGS}
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
    versions = islice(groupby(parts, lambda part: part[0]), _MAX_VERSIONS)
    return tuple((str(version), "".join(part[2] for part in same)) for version, same in versions)
