"""What can be wrong with a Postgres server, its pooler or the URL."""

from __future__ import annotations

from checks.core import unexpected
from checks.core.check import Cause, Layer, Status, causes_in

PASSWORD_REJECTED = Cause(
    "postgres.password-rejected",
    Layer.AUTH,
    "the server refuses the password, or has no such user (with SCRAM it does not report which)",
    "correct the user name and password in {url}; special characters must be percent-encoded",
)
ROLE_MISSING = Cause(
    "postgres.role-missing",
    Layer.AUTH,
    "the role does not exist, or may not log in",
    "create it (CREATE ROLE … LOGIN), or correct the user name in {url}",
)
NO_HBA_ENTRY = Cause(
    "postgres.no-hba-entry",
    Layer.AUTH,
    "the server's pg_hba.conf admits no such connection",
    "add a line to pg_hba.conf for this user, database and client address, or correct {url}",
)
TLS_REQUIRED = Cause(
    "postgres.tls-required",
    Layer.AUTH,
    "the server admits this user only with TLS",
    "add ?sslmode=verify-full to {url}",
)
TLS_REFUSED = Cause(
    "postgres.tls-refused",
    Layer.AUTH,
    "the URL asks for TLS, and the server has none",
    "remove sslmode from {url}, or turn TLS on at the server",
)
UNKNOWN_PARAMETER = Cause(
    "postgres.unknown-parameter",
    Layer.AUTH,
    "the client library sends a query parameter of the URL to the server, which refuses it",
    "remove the parameter from {url}",
)
DATABASE_MISSING = Cause(
    "postgres.database-missing",
    Layer.AUTH,
    "the database does not exist",
    "create it (CREATE DATABASE …), or correct the name after the last / in {url}",
)
MAY_NOT_CONNECT = Cause(
    "postgres.may-not-connect",
    Layer.AUTH,
    "the role may not connect to this database, or the database takes no connections",
    "grant it (GRANT CONNECT ON DATABASE …; for a closed database ALTER DATABASE … ALLOW_CONNECTIONS true), "
    "or correct the name after the last / in {url}",
)
TOO_MANY_CONNECTIONS = Cause(
    "postgres.too-many-connections",
    Layer.AUTH,
    "every connection that the server, the role, the database or the pooler allows is taken",
    "raise the limit that the server's message names, or find who holds the connections (pg_stat_activity)",
    heals=True,
)
STARTING_UP = Cause(
    "postgres.starting-up",
    Layer.AUTH,
    "the server is starting, stopping or recovering",
    "wait until it accepts connections, then run this again; if it stays so, read the server's log",
    heals=True,
)
LOGIN_TOO_COSTLY = Cause(
    "postgres.login-too-costly",
    Layer.AUTH,
    "the server wants the password hashed over a million times at each login (SCRAM), which stops Mistle for long",
    "lower scram_iterations at the server of {url}, and set the role's password again; the default of Postgres is 4096",
)
NOT_POSTGRES = Cause(
    "postgres.not-postgres",
    Layer.AUTH,
    "something answers on that port, and it is not Postgres",
    "correct the host and port in {url}",
)
LOGIN_REFUSED = Cause(
    "postgres.login-refused",
    Layer.AUTH,
    "the server refuses the login for another reason",
    "act on the server's message ({url})",
)
IPV6_LITERAL = Cause(
    "postgres.ipv6-literal",
    Layer.DNS,
    "postgres.js, which Mistle uses on the direct URL, cannot read an IPv6 address in a URL",
    "write a host name instead of the address in {url}",
)
ROOTS_UNREADABLE = Cause(
    "postgres.roots-unreadable",
    Layer.TLS,
    "node-postgres reads its trusted roots from the file that sslrootcert names, and the file cannot be read here",
    "correct sslrootcert in {url}, or run this where that file is, as Mistle does",
)
POOLER_BACKEND_DOWN = Cause(
    "postgres.pooler-backend-down",
    Layer.ACCESS,
    "the pooler answers, and the server behind it does not",
    "start the server behind the pooler, or correct its address in the pooler's own configuration ({url} is right)",
    blames=("url",),
    heals=True,
)
POOL_EXHAUSTED = Cause(
    "postgres.pool-exhausted",
    Layer.ACCESS,
    "the login is accepted at once, and a query waits for a server connection that does not come",
    "raise the pooler's pool size, or find the clients that hold its connections (SHOW POOLS); "
    "with pool_mode = session Mistle's pools hold them all ({url})",
    blames=("url",),
    heals=True,
)
QUERY_FAILED = Cause(
    "postgres.query-failed",
    Layer.ACCESS,
    "the login is accepted, and a harmless query fails",
    "act on the server's message ({url})",
    blames=("url",),
)
MAY_NOT_CREATE = Cause(
    "postgres.may-not-create",
    Layer.ACCESS,
    "the role lacks CREATE on the database, and migrations create schemas",
    "GRANT CREATE ON DATABASE … TO …, if {url} names the right database and role",
    blames=("url",),
)
MAY_NOT_USE_SCHEMA = Cause(
    "postgres.may-not-use-schema",
    Layer.ACCESS,
    "the role lacks rights on a schema that exists, made by another role: Mistle grants none",
    "GRANT USAGE ON SCHEMA …, GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA … and GRANT USAGE ON ALL "
    "SEQUENCES IN SCHEMA … to this role, or name in {url} the role that ran the migrations",
)
POOLER_ON_DIRECT_URL = Cause(
    "postgres.pooler-on-direct-url",
    Layer.FITNESS,
    "the direct URL goes through a pooler: prepared statements, advisory locks and migrations break at random",
    "name the Postgres server itself, not the pooler, in {url}",
    blames=("url",),
)
RELAYED = Cause(
    "postgres.relayed",
    Layer.FITNESS,
    "something between here and the server changes ports but not session keys: NAT, a TCP proxy, or Pgpool-II",
    blames=("url",),
    status=Status.OK,
)
DIRECT_ON_POOLED_URL = Cause(
    "postgres.direct-on-pooled-url",
    Layer.FITNESS,
    "the pooled URL goes to the server itself: each process of Mistle holds ten connections (no fault in development)",
    "put a pooler (PgBouncer, transaction mode) in between and name it in {url}",
    blames=("url",),
    status=Status.WARN,
)
READ_ONLY = Cause(
    "postgres.read-only",
    Layer.FITNESS,
    "the server is a replica or in recovery, or the role's transactions are read-only",
    "name the primary in {url}, or unset default_transaction_read_only",
    blames=("url",),
)
TOO_OLD = Cause(
    "postgres.too-old",
    Layer.FITNESS,
    "the server is older than Postgres 11",
    "upgrade the server of {url} to Postgres 11 or newer",
    blames=("url",),
)
HEADROOM = Cause(
    "postgres.headroom",
    Layer.FITNESS,
    "fewer connections are left than Mistle's processes open",
    "raise max_connections (or the role's or database's CONNECTION LIMIT), or put a pooler in front ({url})",
    blames=("url",),
    status=Status.WARN,
)
MIGRATIONS_HALF_DONE = Cause(
    "postgres.migrations-half-done",
    Layer.FITNESS,
    "a plane's schema and the table that records its migrations are not both there: migrating again does not help",
    "restore the database, or drop the schema if it holds nothing (DROP SCHEMA …), then migrate again ({url})",
)
MIGRATION_RUNNING = Cause(
    "postgres.migration-running",
    Layer.FITNESS,
    "another session holds locks on a plane's schema, as a running migration does; two at once race",
    "wait until the other migration has ended, then run this again",
    status=Status.WARN,
    heals=True,
)
NOT_MIGRATED = Cause(
    "postgres.not-migrated",
    Layer.FITNESS,
    "a plane's schema, or its record of migrations, is not there",
    "run the plane's migrations (database, then workflow) with {url}",
    heals=True,
)
MASTER_KEY_MISSING = Cause(
    "postgres.master-key-missing",
    Layer.FITNESS,
    "the database holds credentials encrypted with a master key version that is not configured",
    "put that version's key back into the master encryption keys: {blamed}",
)
MASTER_KEY_WRONG = Cause(
    "postgres.master-key-wrong",
    Layer.FITNESS,
    "the master key is not the one with which the database was encrypted",
    "put back the key that was in use when the credentials were stored: {blamed}",
)
DIFFERENT_DATABASES = Cause(
    "postgres.different-databases",
    Layer.FITNESS,
    "the direct and the pooled URL of one plane lead to different databases: migrations go to one, Mistle to the other",
    "make both URLs name the same server and database: {blamed}",
)
SHARED_BY_PLANES = Cause(
    "postgres.shared-by-planes",
    Layer.FITNESS,
    "both planes share one database, which Mistle allows",
    status=Status.OK,
)
UNEXPECTED_REPLY = unexpected.cause("postgres", "Postgres", ("url",))
CAUSES = causes_in(globals())
