"""The statements that query the state of a Postgres, sent as one message. They write nothing."""

from __future__ import annotations

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
MAX_VERSIONS = 100  # of master keys: each may be a finding
SCHEMA_ENDINGS = ("", "_meta", "_openworkflow")  # of the names of a plane's schemas
_MAX_TIMEOUT = 2**31 - 1  # milliseconds: the largest statement_timeout
_PART_SIZE = 400  # characters of a ciphertext


def statements(planes: tuple[str, ...], limit: float) -> str:
    """The text of one message of the simple query protocol; ``limit`` in seconds."""
    schemas = ", ".join(f"'{plane}{ending}'" for plane in planes for ending in SCHEMA_ENDINGS)
    return _STATEMENTS.format(
        schemas=f"array[{schemas}]",
        credentials=str("control_plane" in planes).lower(),
        limit=max(1, min(int(limit * 1000), _MAX_TIMEOUT)),
        size=_PART_SIZE,
        max_versions=MAX_VERSIONS,
    )
