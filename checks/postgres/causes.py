"""The causes of findings about a Postgres URL, its login, or the layers below the login."""

from __future__ import annotations

import shlex

from checks.core import remedy, unexpected
from checks.core.finding import Layer, Status, causes_in, permanent, temporary
from checks.core.remedy import Remedies


def psql_form(who: str, statement: str) -> Remedies:
    """The general form of such a command, which the catalogue shows."""
    return remedy.line("psql", f"on the server, as {who}", f"psql -d … -c {shlex.quote(statement)}")


PASSWORD_REJECTED = permanent(
    "postgres.password-rejected",
    Layer.AUTH,
    "the server refuses the password, or has no such user (with SCRAM it does not report which)",
    "correct the user name and password in {url}; special characters must be percent-encoded. If both are right, the "
    "role has expired or has no password: ALTER ROLE … PASSWORD … VALID UNTIL 'infinity'",
)
ROLE_MISSING = permanent(
    "postgres.role-missing",
    Layer.AUTH,
    "the role does not exist, or may not log in",
    "create it (CREATE ROLE … LOGIN), or correct the user name in {url}",
)
NO_HBA_ENTRY = permanent(
    "postgres.no-hba-entry",
    Layer.AUTH,
    "the server's pg_hba.conf admits no such connection",
    "add a line to pg_hba.conf for this user, database and client address, or correct {url}",
)
TLS_REQUIRED = permanent(
    "postgres.tls-required",
    Layer.AUTH,
    "the server admits this user only with TLS",
    "add ?sslmode=verify-full to {url}",
)
TLS_REFUSED = permanent(
    "postgres.tls-refused",
    Layer.AUTH,
    "the URL asks for TLS, but the server has none",
    "remove sslmode from {url}, or turn TLS on at the server",
)
UNKNOWN_PARAMETER = permanent(
    "postgres.unknown-parameter",
    Layer.AUTH,
    "the client library, or the server to which it sends it, refuses a query parameter of the URL",
    "remove the parameter from {url}, or correct its value",
)
DATABASE_MISSING = permanent(
    "postgres.database-missing",
    Layer.AUTH,
    "the database does not exist",
    "create it (CREATE DATABASE …), or correct the name after the last / in {url}",
    remedies=psql_form("a superuser", "CREATE DATABASE … OWNER … ENCODING 'UTF8' TEMPLATE template0"),
)
MAY_NOT_CONNECT = permanent(
    "postgres.may-not-connect",
    Layer.AUTH,
    "the role may not connect to this database, or the database takes no connections",
    "grant it (GRANT CONNECT ON DATABASE …; for a closed database ALTER DATABASE … ALLOW_CONNECTIONS true), "
    "or correct the name after the last / in {url}",
    remedies=(
        *psql_form("the owner of the database, or as a superuser", "GRANT CONNECT ON DATABASE … TO …"),
        *psql_form("the owner of the database, or as a superuser", "ALTER DATABASE … ALLOW_CONNECTIONS true"),
    ),
)
TOO_MANY_CONNECTIONS = temporary(
    "postgres.too-many-connections",
    Layer.AUTH,
    "every connection that the server, the role, the database or the pooler allows is taken",
    "raise the limit that the server's message names, or find who holds the connections (pg_stat_activity)",
)
STARTING_UP = temporary(
    "postgres.starting-up",
    Layer.AUTH,
    "the server is starting, stopping or recovering",
    "wait until it accepts connections, then run this again; a standby with hot_standby = off never accepts: name the "
    "primary in {url}",
)
LOGIN_TOO_COSTLY = permanent(
    "postgres.login-too-costly",
    Layer.AUTH,
    "the server asks for over a million rounds of hashing at each login (SCRAM), which blocks Mistle for a long time",
    "lower scram_iterations at the server of {url}, and set the role's password again; the default of Postgres is 4096",
)
NOT_POSTGRES = permanent(
    "postgres.not-postgres",
    Layer.AUTH,
    "a server replies on that port, but it is not Postgres",
    "correct the host and port in {url}",
)
LOGIN_REFUSED = permanent(
    "postgres.login-refused",
    Layer.AUTH,
    "the server refuses the login for another reason",
    "read the server's log at the time of this run, and correct there, or in {url}, what its message names",
)
LOGIN_METHOD = permanent(
    "postgres.login-method",
    Layer.AUTH,
    "pg_hba.conf asks for a login that Mistle cannot do, or asks a service that refuses it: a client certificate, "
    "ident, peer, Kerberos, LDAP, PAM, RADIUS",
    "ask for scram-sha-256 instead of ident, peer or cert in pg_hba.conf for this user, database and client address, "
    "or correct the user name in {url}",
    former=("postgres.login-refused",),
)
POOLER_LOGIN_REFUSED = permanent(
    "postgres.pooler-login-refused",
    Layer.ACCESS,
    "the pooler accepts the login, but the server behind it refuses the pooler's own login",
    "correct the password with which the pooler itself logs in (auth_file, or password= in [databases]), or at the "
    "server its role (expired, without a password, NOLOGIN) or its line in pg_hba.conf ({url} is right)",
    blames=("url",),
    former=("postgres.password-rejected", "postgres.no-hba-entry", "postgres.role-missing"),
)
SLOW_LINK = temporary(
    "postgres.slow-link",
    Layer.AUTH,
    "the server replies, but each reply takes so long that the check does not end in time",
    "give the run more time (--timeout 60); then find what is slow between here and the server of {url}",
    blames=("url",),
    former=("postgres.pooler-backend-down", "postgres.pool-exhausted"),
)
IPV6_LITERAL = permanent(
    "postgres.ipv6-literal",
    Layer.DNS,
    "postgres.js, which Mistle uses on the direct URL, cannot read an IPv6 address in a URL",
    "write a host name instead of the address in {url}",
)
ROOTS_UNREADABLE = permanent(
    "postgres.roots-unreadable",
    Layer.TLS,
    "node-postgres reads the files that sslrootcert, sslcert and sslkey name, and one of them cannot be read here",
    "correct sslrootcert, sslcert or sslkey in {url}, or run this where that file is, as Mistle does",
)
POOLER_BACKEND_DOWN = temporary(
    "postgres.pooler-backend-down",
    Layer.ACCESS,
    "the pooler replies, but the server behind it does not",
    "start the server behind the pooler, or correct its address, or the database's name, in the pooler's own "
    "configuration; if the pooler is paused (SHOW DATABASES), RESUME it ({url} is right if its database exists)",
    blames=("url",),
)
POOL_EXHAUSTED = temporary(
    "postgres.pool-exhausted",
    Layer.ACCESS,
    "the login is accepted at once, but a query waits for a server connection, and gets none",
    "raise the pooler's pool size, or find the clients that hold its connections (SHOW POOLS); "
    "with pool_mode = session Mistle's pools hold them all; if the pooler is paused (SHOW DATABASES), RESUME it "
    "({url})",
    blames=("url",),
)
QUERY_FAILED = permanent(
    "postgres.query-failed",
    Layer.ACCESS,
    "the login is accepted, but a harmless query fails",
    "read the log of the server and of the pooler at the time of this run, and correct there what the message names "
    "({url})",
    blames=("url",),
)
STATEMENT_POOLING = permanent(
    "postgres.statement-pooling",
    Layer.ACCESS,
    "the pooler is in statement mode, and Mistle's services work in transactions",
    "set pool_mode = transaction at the pooler of {url}",
    blames=("url",),
    former=("postgres.query-failed",),
)
SHORT_TIMEOUT = permanent(
    "postgres.short-timeout",
    Layer.FITNESS,
    "a time-out of the role, the database, the server or the URL ends what Mistle does",
    "raise it, or set it to 0 (ALTER ROLE … SET …, ALTER DATABASE … SET …, postgresql.conf, or the parameter in {url})",
    blames=("url",),
    status=Status.WARN,
    former=("postgres.query-failed",),
)
UNEXPECTED_REPLY = unexpected.cause("postgres", "Postgres", ("url",))
CAUSES = causes_in(globals())
