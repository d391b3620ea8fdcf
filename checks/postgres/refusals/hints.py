"""Hints for refusals that show more than their cause does."""

from __future__ import annotations

ADMIN_CONSOLE = (
    "name Mistle's own database after the last / in {url}: `pgbouncer` is the pooler's console, not a database"
)
CERTIFICATE = (
    "the server asks for a client certificate: ask for scram-sha-256 alone in pg_hba.conf for this user (without "
    "clientcert), or correct the user name in {url}; a pooled URL may also name a certificate (sslcert and sslkey)"
)
CLOSED = (
    "a load balancer closes connections in this way while no server behind it works: look at its backends, then at the "
    "server's own log; check that {blamed} names the port of the right service"
)
DISABLED = "let the pooler take connections for this database again (ENABLE …), or correct the name in {url}"
FORCED_USER = (
    "give this database a user= in the pooler's [databases], as auth_type = any needs it, or set auth_type = "
    "scram-sha-256 there ({url} is right)"
)
KERBEROS = "ask for scram-sha-256 instead of gss or sspi in pg_hba.conf for the user of {url}: Mistle has no Kerberos"
NO_PASSWORD = "write the password into {url}: postgres://user:password@host/database"  # noqa: S105 - not a password
OAUTH = "ask for scram-sha-256 instead of oauth in pg_hba.conf for the user of {url}: Mistle logs in with a password"
OUTSIDE_SERVICE = (
    "the server passes the password to LDAP, PAM or RADIUS: correct the password in {url}, or that method's options in "
    "pg_hba.conf; the server's log has the reason"
)
POOLER_DATABASES = "add the database to the pooler's [databases], or correct the name after the last / in {url}"
POOLER_HBA = "admit this user, database and client address in the pooler's auth_hba_file, or correct {url}"
