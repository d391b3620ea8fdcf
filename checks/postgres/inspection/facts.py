"""What a server is asked about itself: an SQL expression for each fact, none of which depends on another."""

from __future__ import annotations

from collections.abc import Mapping

MAX_VERSIONS = 100  # of master keys: each may be a finding
PART_SIZE = 400  # characters of a ciphertext

_DATABASE = "select {} from pg_database d where d.datname = current_database()"
_ROLE = "select {} from pg_roles r where r.rolname = current_user"
TABLES = "from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = any ({schemas})"
DEFAULTS = """from pg_default_acl a, aclexplode(a.defaclacl) x where a.defaclrole = m.oid
    and (a.defaclnamespace = 0 or exists (select from pg_namespace n where n.oid = a.defaclnamespace
         and n.nspname = any ({schemas})))
    and case x.grantee when 0 then true else pg_has_role(x.grantee, 'usage') end"""

# ts_stat() runs a query only where the role has the right for it and the table exists: the server would refuse plain
# SQL as a whole. Every build has ts_stat(); it returns words of up to 2 KB, in any order, so a ciphertext comes in
# numbered parts. The search path excludes objects of the same name in `public`.
_IDENTITY = {
    "pid": "pg_backend_pid()",
    "client_port": "inet_client_port()",
    "started": "extract(epoch from pg_postmaster_start_time())::text",
    "system": """case when has_function_privilege('pg_control_system()', 'execute')
        then (select min(word) from ts_stat(
            'select array_to_tsvector(array[system_identifier::text]) from pg_control_system()')) end""",
    "database": _DATABASE.format("d.oid::bigint"),
    "name": "current_database()",
    "role": "current_user",
}
_STATE = {
    "recovery": "pg_is_in_recovery()",
    "read_only": "current_setting('default_transaction_read_only') = 'on'",
    # Where the catalogue has that setting: [for one role, for one database].
    "read_only_by": """select json_agg(json_build_array(s.setrole <> 0, s.setdatabase <> 0)) from pg_db_role_setting s
        where s.setrole in (0, (select r.oid from pg_roles r where r.rolname = current_user))
          and s.setdatabase in (0, (select d.oid from pg_database d where d.datname = current_database()))
          and exists (select from unnest(s.setconfig) c
                      where c ~* '^default_transaction_read_only=(on|t|true|y|yes|1)$')""",
    "encoding": "current_setting('server_encoding')",
    # What RESET would set: the value of the role, the database, the URL or the server. SET LOCAL does not hide it.
    "timeouts": """select json_object_agg(s.name, s.reset_val::bigint) from pg_settings s where s.name in (
        'statement_timeout', 'lock_timeout', 'transaction_timeout', 'idle_in_transaction_session_timeout',
        'idle_session_timeout')""",
    "event_triggers": """select json_agg(e.evtname order by e.evtname) from pg_event_trigger e
        join pg_proc p on p.oid = e.evtfoid
        where e.evtenabled in ('O', 'A') and e.evtevent in ('ddl_command_start', 'ddl_command_end')
          and p.prosrc ~* 'raise[[:space:]]+(exception|'')'
          and (e.evttags is null or e.evttags && array['CREATE SCHEMA', 'CREATE TABLE', 'ALTER TABLE', 'CREATE INDEX'])
        """,
}
_LIMITS = {
    "max_connections": "current_setting('max_connections')::int",
    "max": """current_setting('max_connections')::int - case when current_setting('is_superuser') = 'on' then 0 else
        current_setting('superuser_reserved_connections')::int
        + coalesce(current_setting('reserved_connections', true), '0')::int end""",
    "used": "select sum(numbackends) from pg_stat_database",
    "database_limit": _DATABASE.format(
        "case when current_setting('is_superuser') = 'on' then -1 else d.datconnlimit end"
    ),
    "database_used": "select numbackends from pg_stat_database s where s.datname = current_database()",
    "role_limit": _ROLE.format("case when r.rolsuper then -1 else r.rolconnlimit end"),
    "role_used": "select count(*) from pg_stat_activity a where a.usename = current_user",
}
_RIGHTS = {
    "may_create": "has_database_privilege(current_database(), 'create')",
    "schemas": """select json_object_agg(n.nspname, has_schema_privilege(n.oid, 'usage'))
        from pg_namespace n where n.nspname = any ({schemas})""",
    "closed": """select json_agg(n.nspname order by n.nspname) from pg_namespace n
        where n.nspname = any ({schemas}) and not has_schema_privilege(n.oid, 'create')""",
    "unusable": """select json_agg(json_build_array(u.nspname, u.relname)) from (
        select n.nspname, c.relname {tables} and case
          when c.relkind in ('r', 'p') then not (
            has_table_privilege(c.oid, 'select') and has_table_privilege(c.oid, 'insert')
            and has_table_privilege(c.oid, 'update') and has_table_privilege(c.oid, 'delete'))
          when c.relkind = 'S' then not has_sequence_privilege(c.oid, 'usage')  -- an identity column's needs none
            and not exists (select from pg_depend p where p.objid = c.oid and p.deptype = 'i')
          end order by 1, 2 limit 100) u""",
    "not_owned": """select json_agg(json_build_array(u.nspname, u.relname, u.owner)) from (
        select n.nspname, c.relname, pg_get_userbyid(c.relowner) as owner {tables}
          and c.relkind in ('r', 'p') and not pg_has_role(c.relowner, 'usage') order by 1, 2 limit 100) u""",
    "hidden": """select json_agg(json_build_array(u.nspname, u.relname, u.visible)) from (
        select n.nspname, c.relname, exists (select from pg_policy p where p.polrelid = c.oid and p.polpermissive
            and exists (select from unnest(p.polroles) g where case g when 0 then true else pg_has_role(g, 'usage') end)
          ) as visible {tables}
          and c.relkind in ('r', 'p') and c.relrowsecurity and row_security_active(c.oid) order by 1, 2 limit 100) u""",
    # Which of the objects that these roles will create this role may use, by membership or by default privileges.
    "bridges": """select json_object_agg(m.rolname, case
          when pg_has_role(m.oid, 'usage') or 2 = (select count(*) from pg_roles w
              where w.rolname in ('pg_read_all_data', 'pg_write_all_data') and pg_has_role(w.oid, 'usage')) then 'all'
          when 4 <> (select count(distinct x.privilege_type) {defaults} and a.defaclobjtype = 'r'
              and x.privilege_type in ('SELECT', 'INSERT', 'UPDATE', 'DELETE')) then 'nothing'
          when exists (select {defaults} and a.defaclobjtype = 'n' and x.privilege_type = 'USAGE') then 'all'
          else 'tables' end) from pg_roles m where m.rolname = any ({migrators})""",
}
_MIGRATIONS = {
    # [schema, name, kind, content]: how many migrations are recorded, or the last version of OpenWorkflow's
    "recorded": """select json_agg(json_build_array(n.nspname, c.relname, c.relkind, case
          when c.relkind in ('r', 'p') and has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select')
            and not exists (select from pg_locks l where l.relation = c.oid and l.mode = 'AccessExclusiveLock')
          then (select min(word) from ts_stat(format('select array_to_tsvector(array[%s::text]) from %I.%I',
            case c.relname when 'schema_migrations' then 'count(*)' else 'coalesce(max(version), -1)' end,
            n.nspname, c.relname)))::bigint end))
        {tables} and c.relname in ('schema_migrations', 'openworkflow_migrations')""",
    "populated": """select json_agg(n.nspname) from pg_namespace n where n.nspname = any ({schemas})
        and exists (select from pg_class c where c.relnamespace = n.oid and c.relkind in ('r', 'p'))""",
    "workflow_tables": """select json_agg(json_build_array(n.nspname, c.relname)) {tables}
        and c.relname in ('workflow_runs', 'step_attempts') and c.relkind in ('r', 'p')""",
    "locked": """select json_agg(json_build_array(coalesce(n.nspname, ''), l.pid))
        from pg_locks l left join pg_class c on c.oid = l.relation left join pg_namespace n on n.oid = c.relnamespace
        where l.locktype = 'relation' and l.granted and l.pid <> pg_backend_pid()
          and l.database = (select d.oid from pg_database d where d.datname = current_database())
          and (l.mode in ('AccessExclusiveLock', 'ExclusiveLock', 'ShareRowExclusiveLock')
               or l.mode = 'RowExclusiveLock' and c.relname = 'schema_migrations')
          and (n.nspname = any ({schemas}) or c.oid is null and exists (
              select from pg_stat_activity a where a.pid = l.pid and a.usename = current_user))""",
    "ciphertexts": """select case
          when not (has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select')) then '"denied"'
          when exists (select from pg_locks l where l.relation = c.oid and l.mode = 'AccessExclusiveLock')
            then '"locked"'
          else (select coalesce(json_agg(word), '[]') from ts_stat(
              'select array_to_tsvector(array_agg(v || '':'' || part || '':'' || substr(c, part * {size} + 1, {size})))
               from (select master_key_version v, coalesce(min(ciphertext), '''') c
                     from control_plane.organization_credential_keys group by 1 order by 1 limit {max_versions}) k,
                    generate_series(0, length(c) / {size}) part')) end
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where {credentials} and n.nspname = 'control_plane'
          and c.relname = 'organization_credential_keys' and c.relkind in ('r', 'p')
          and 2 = (select count(*) from pg_attribute a where a.attrelid = c.oid
                   and a.attname in ('master_key_version', 'ciphertext') and not a.attisdropped)""",
}
FACTS: Mapping[str, str] = _IDENTITY | _STATE | _LIMITS | _RIGHTS | _MIGRATIONS
