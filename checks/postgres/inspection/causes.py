"""The causes of findings about a Postgres server: its state, its settings, the role's rights."""

from __future__ import annotations

from checks.core import remedy
from checks.core.finding import Cause, Layer, Status, causes_in, permanent, temporary
from checks.postgres.causes import psql_form

MAY_NOT_CREATE = permanent(
    "postgres.may-not-create",
    Layer.ACCESS,
    "the role lacks CREATE on the database, and migrations create schemas",
    "GRANT CREATE ON DATABASE … TO …, if {url} names the right database and role",
    blames=("url",),
    remedies=(
        *psql_form("the owner of the database, or as a superuser", "GRANT CREATE ON DATABASE … TO …"),
        *psql_form("the owner of the schema, or as a superuser", "GRANT CREATE ON SCHEMA … TO …"),
    ),
)
MAY_NOT_USE_SCHEMA = permanent(
    "postgres.may-not-use-schema",
    Layer.ACCESS,
    "the role lacks rights on a schema that exists, made by another role: Mistle grants none",
    "GRANT USAGE ON SCHEMA …, GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA … and GRANT USAGE ON ALL "
    "SEQUENCES IN SCHEMA … to this role, or name in {url} the role that ran the migrations",
    remedies=psql_form(
        "the owner of the schema, or as a superuser",
        "GRANT USAGE ON SCHEMA … TO …; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA … TO …; "
        "GRANT USAGE ON ALL SEQUENCES IN SCHEMA … TO …; ALTER DEFAULT PRIVILEGES FOR ROLE … IN SCHEMA … GRANT …",
    ),
)
POOLER_ON_DIRECT_URL = permanent(
    "postgres.pooler-on-direct-url",
    Layer.FITNESS,
    "the direct URL goes through a pooler: prepared statements, advisory locks and migrations break at random",
    "name the Postgres server itself, not the pooler, in {url}",
    blames=("url",),
)
ROW_SECURITY = permanent(
    "postgres.row-security",
    Layer.ACCESS,
    "row-level security applies to the role on a table of Mistle, which defines none: rows are silently missing",
    "ALTER TABLE … DISABLE ROW LEVEL SECURITY, or ALTER ROLE … BYPASSRLS for the role of {url}",
    status=Status.WARN,
)
ROLES_NOT_BRIDGED = permanent(
    "postgres.roles-not-bridged",
    Layer.ACCESS,
    "the pooled URL names another role than the direct URL, and nothing will give it rights on the tables to come",
    "make the role of {url} a member of the role that migrates, or set that role's default privileges",
    status=Status.WARN,
    remedies=psql_form(
        "the role that migrates, or as a superuser",
        "ALTER DEFAULT PRIVILEGES FOR ROLE … GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO …; …",
    ),
)
RELAYED = Cause(
    "postgres.relayed",
    Layer.FITNESS,
    "something between here and the server changes ports but not session keys: NAT, a TCP proxy, or Pgpool-II",
    blames=("url",),
    status=Status.OK,
)
DIRECT_ON_POOLED_URL = permanent(
    "postgres.direct-on-pooled-url",
    Layer.FITNESS,
    "the pooled URL goes to the server itself: each process of Mistle holds ten connections (no fault in development)",
    "put a pooler (PgBouncer, transaction mode) in between and name it in {url}",
    blames=("url",),
    status=Status.WARN,
)
READ_ONLY = permanent(
    "postgres.read-only",
    Layer.FITNESS,
    "the server is a replica or in recovery, or the role's transactions are read-only",
    "name the primary in {url}, or unset default_transaction_read_only",
    blames=("url",),
    remedies=(
        *psql_form("a superuser", "ALTER ROLE … RESET default_transaction_read_only"),
        *psql_form("a superuser", "ALTER DATABASE … RESET default_transaction_read_only"),
    ),
)
NOT_UTF8 = permanent(
    "postgres.not-utf8",
    Layer.FITNESS,
    "the database has another encoding than UTF8: text that it cannot hold is refused",
    "create the database again with ENCODING 'UTF8' TEMPLATE template0, and name it in {url}",
    blames=("url",),
    status=Status.WARN,
)
EVENT_TRIGGER = permanent(
    "postgres.event-trigger",
    Layer.FITNESS,
    "an event trigger of the database raises exceptions when tables are created or altered: it may refuse migrations",
    "let the event trigger pass the role of {url}, or disable it during migrations (ALTER EVENT TRIGGER … DISABLE)",
    blames=("url",),
    status=Status.WARN,
)
NOT_OWNER = permanent(
    "postgres.not-owner",
    Layer.FITNESS,
    "the role of the direct URL does not own the plane's tables: a release that alters them cannot migrate",
    "name in {url} the role that owns the tables, or make that of {url} their owner",
    status=Status.WARN,
)
TOO_OLD = permanent(
    "postgres.too-old",
    Layer.FITNESS,
    "the server is older than Postgres 11",
    "upgrade the server of {url} to Postgres 11 or newer",
    blames=("url",),
)
HEADROOM = permanent(
    "postgres.headroom",
    Layer.FITNESS,
    "fewer connections are left than Mistle's processes open",
    "raise max_connections (or the role's or database's CONNECTION LIMIT), or put a pooler in front ({url})",
    blames=("url",),
    status=Status.WARN,
    remedies=(
        *psql_form("a superuser", "ALTER ROLE … CONNECTION LIMIT …"),
        *psql_form("a superuser", "ALTER DATABASE … CONNECTION LIMIT …"),
        *psql_form("a superuser; restart the server afterwards", "ALTER SYSTEM SET max_connections = …"),
    ),
)
MIGRATIONS_HALF_DONE = permanent(
    "postgres.migrations-half-done",
    Layer.FITNESS,
    "a plane's schema and the table that records its migrations are not both there: migrating again does not help",
    "restore the database, or drop the schema if it holds nothing (DROP SCHEMA …), then migrate again ({url})",
)
MIGRATION_RUNNING = temporary(
    "postgres.migration-running",
    Layer.FITNESS,
    "another session holds locks on a plane's schema, as a running migration does; two at once race",
    "wait until the other migration has ended, then run this again",
    status=Status.WARN,
)
NOT_MIGRATED = temporary(
    "postgres.not-migrated",
    Layer.FITNESS,
    "a plane's schema, or its record of migrations, is not there",
    "run the plane's migrations (database, then workflow) with {url}",
)
MASTER_KEY_MISSING = permanent(
    "postgres.master-key-missing",
    Layer.FITNESS,
    "the database holds credentials encrypted with a master key version that is not configured",
    "put that version's key back into the master encryption keys: {blamed}",
)
MASTER_KEY_WRONG = permanent(
    "postgres.master-key-wrong",
    Layer.FITNESS,
    "the master key is not the one with which the database was encrypted",
    "put back the key that was in use when the credentials were stored: {blamed}",
)
DIFFERENT_DATABASES = permanent(
    "postgres.different-databases",
    Layer.FITNESS,
    "the direct and the pooled URL of one plane lead to different databases: migrations go to one, Mistle to the other",
    "make both URLs name the same server and database: {blamed}",
)
SEVERAL_SERVERS = permanent(
    "postgres.several-servers",
    Layer.FITNESS,
    "connections to one address reach different servers: a name or a load balancer in front of several",
    "let the name, or the load balancer, lead to the one primary alone: {blamed}",
    former=("postgres.different-databases",),
)
URLS_SWAPPED = permanent(
    "postgres.urls-swapped",
    Layer.FITNESS,
    "the direct URL leads to a pooler, and the pooled URL to a server: the two are swapped",
    "exchange the two URLs: {blamed}",
    remedies=remedy.line(
        "shell",
        "in the directory of the file",
        "sed -i.bak -e …s/direct_url/pooled_url/ -e …s/pooled_url/direct_url/ -- …",
    ),
    former=("postgres.pooler-on-direct-url",),
)
SHARED_BY_PLANES = Cause(
    "postgres.shared-by-planes",
    Layer.FITNESS,
    "both planes share one database, which Mistle allows",
    status=Status.OK,
)
CAUSES = causes_in(globals())
