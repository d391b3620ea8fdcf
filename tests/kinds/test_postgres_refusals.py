"""What real servers and poolers refuse at the login, in the language and encoding in which they say it."""

import socket
from collections.abc import Iterator

import pytest

from checks.core.finding import Layer, Status
from tests.harness import faults, profiles
from tests.harness.postgres_check import DIRECT_KEY, POOLED_KEY, direct, pooled
from tests.harness.relays import delayed, relay
from tests.testbed import Authority, Postgres, haproxy_server, pgbouncer_server, postgres_replica, postgres_server
from tests.testbed.pgbouncer import NOWHERE
from tests.testbed.postgres import PASSWORD


@pytest.fixture(scope="module")
def german() -> Iterator[Postgres]:
    with postgres_server(lc_messages="de_DE.UTF-8") as server:
        yield server


def test_german_wrong_password(german: Postgres) -> None:
    run = direct(german.url(password="wrong"))
    finding = run.fails("postgres.password-rejected", Layer.AUTH, DIRECT_KEY, hint="VALID UNTIL")
    assert "Passwort-Authentifizierung für Benutzer" in finding.message


GERMAN = {
    "no such database": ("postgres.database-missing", "", "nowhere", ""),
    "a closed database": ("postgres.may-not-connect", "CREATE DATABASE closed ALLOW_CONNECTIONS false", "closed", ""),
    "CONNECT revoked": (
        "postgres.may-not-connect",
        "CREATE DATABASE refused; REVOKE CONNECT ON DATABASE refused FROM public",
        "refused",
        "",
    ),
    "NOLOGIN": ("postgres.role-missing", "CREATE ROLE nologin PASSWORD '{password}'", "", "nologin"),
    "the role's limit": (
        "postgres.too-many-connections",
        "CREATE ROLE limited LOGIN CONNECTION LIMIT 0 PASSWORD '{password}'",
        "",
        "limited",
    ),
}


@profiles.long
@pytest.mark.parametrize("case", GERMAN)
def test_german_refusal(german: Postgres, case: str) -> None:
    finding_id, statements, database, role = GERMAN[case]
    for statement in filter(None, statements.format(password=PASSWORD).split("; ")):
        german.sql(statement)
    run = direct(german.url(role, database=database))
    run.fails(finding_id, Layer.AUTH, DIRECT_KEY, hint=f"{DIRECT_KEY} (mistle.toml)" if "limit" not in case else "")


@profiles.long
@pytest.mark.parametrize("options", ["-c nonsense=1", "-c work_mem=x", "-c max_connections=3", "-c log_statement=all"])
def test_german_parameter(german: Postgres, options: str) -> None:
    run = direct(german.url(options=options))
    run.fails("postgres.unknown-parameter", Layer.AUTH, DIRECT_KEY, hint="remove the parameter")


@profiles.long
def test_german_no_hba_entry() -> None:
    with postgres_server(hba="host all somebody all scram-sha-256", lc_messages="de_DE.UTF-8") as server:
        direct(server.url()).fails("postgres.no-hba-entry", Layer.AUTH, DIRECT_KEY, hint="pg_hba.conf")


@pytest.mark.parametrize(
    ("locale", "expected"),
    [("de_DE", "für Benutzer"), pytest.param("ru_RU.KOI8-R", "пользователь", marks=profiles.long)],
)
def test_message_in_the_servers_own_encoding(locale: str, expected: str) -> None:
    with postgres_server(environment={"LC_ALL": locale}, lc_messages=locale) as server:
        run = direct(server.url(password="wrong"))
    finding = run.fails("postgres.password-rejected", Layer.AUTH, DIRECT_KEY, hint="correct")
    assert expected in finding.message
    assert finding.message.startswith("the server reports: «FATAL: ") or "FATAL: " in finding.message


@pytest.mark.parametrize(
    "role",
    [
        "LOGIN PASSWORD 'x' VALID UNTIL '2001-01-01'",
        pytest.param("LOGIN", marks=profiles.long),
    ],
)
def test_role_that_has_expired_or_has_no_password(postgres: Postgres, role: str) -> None:
    name = postgres.role()
    postgres.sql(f"ALTER ROLE {name} PASSWORD NULL; ALTER ROLE {name} {role}")
    run = direct(postgres.url(name, "x"))
    run.fails("postgres.password-rejected", Layer.AUTH, DIRECT_KEY, hint="the role has expired or has no password")


def test_no_password_in_the_url(postgres: Postgres) -> None:
    url = postgres.url().replace(":" + postgres.url().split(":")[2].split("@")[0] + "@", "@")
    finding = direct(url).fails("postgres.password-rejected", Layer.AUTH, DIRECT_KEY, hint="write the password into")
    assert finding.message == "the URL has no password"


METHODS = {
    "ident": "ident, peer or cert",
    "ldap ldapserver=127.0.0.1 ldapport=1 ldapprefix=x": "LDAP, PAM or RADIUS",
    "pam": "LDAP, PAM or RADIUS",
    "radius radiusservers=127.0.0.1 radiussecrets=x radiusports=1": "LDAP, PAM or RADIUS",
    "gss": "Mistle has no Kerberos",
}


@pytest.mark.parametrize("method", profiles.first(2, list(METHODS)))
def test_login_method(method: str) -> None:
    with postgres_server(hba=f"host all all all {method}") as server:
        run = direct(server.url())
    run.fails("postgres.login-method", Layer.AUTH, DIRECT_KEY, hint=METHODS[method])


@profiles.long
def test_standby_that_never_accepts() -> None:
    with postgres_server() as primary, postgres_replica(primary, hot_standby="off") as standby:
        run = direct(standby.url())
    run.fails("postgres.starting-up", Layer.AUTH, DIRECT_KEY, hint="hot_standby = off never accepts")


# Poolers


def test_pooler_logs_in_with_a_wrong_password(postgres: Postgres) -> None:
    role = postgres.role()
    with pgbouncer_server(postgres.address, users={role: "another"}) as pooler:
        run = pooled(pooler.url(role, "another", postgres.name))
    run.fails("postgres.pooler-login-refused", Layer.ACCESS, POOLED_KEY, hint="with which the pooler itself logs in")


@profiles.long
@pytest.mark.parametrize("auth_type", ["md5", "plain", "trust"])
@pytest.mark.parametrize("options", ["VALID UNTIL '2001-01-01'", "NOLOGIN"])
def test_pooler_logs_in_with_a_role_that_may_not(postgres: Postgres, auth_type: str, options: str) -> None:
    role = postgres.role()
    postgres.sql(f"ALTER ROLE {role} {options}")
    with pgbouncer_server(postgres.address, users={role: PASSWORD}, auth_type=auth_type) as pooler:
        run = pooled(pooler.url(role, database=postgres.name))
    run.fails("postgres.pooler-login-refused", Layer.ACCESS, POOLED_KEY, hint="expired, without a password, NOLOGIN")


@profiles.long
@pytest.mark.parametrize("auth_type", ["md5", "plain"])
def test_pooler_refuses_a_wrong_password(postgres: Postgres, auth_type: str) -> None:
    role = postgres.role()
    with pgbouncer_server(postgres.address, users={role: PASSWORD}, auth_type=auth_type) as pooler:
        run = pooled(pooler.url(role, "wrong", postgres.name))
    run.fails("postgres.password-rejected", Layer.AUTH, POOLED_KEY, hint="user name and password")


POOLER_REFUSALS = {
    "the console": ({}, "pgbouncer", "postgres.database-missing", "the pooler's console"),
    "auth_type=any": ({"auth_type": "any"}, "mistle", "postgres.login-refused", "give this database a user="),
}


@profiles.long
@pytest.mark.parametrize("case", POOLER_REFUSALS)
def test_pooler_refusal(postgres: Postgres, case: str) -> None:
    settings, database, finding_id, hint = POOLER_REFUSALS[case]
    with pgbouncer_server(postgres.address, **settings) as pooler:
        pooled(pooler.url(postgres.name, database=database)).fails(finding_id, Layer.AUTH, POOLED_KEY, hint=hint)


@profiles.long
def test_pooler_that_does_not_know_the_database(postgres: Postgres) -> None:
    with pgbouncer_server(f"{postgres.address}/another", users={postgres.name: PASSWORD}) as pooler:
        run = pooled(pooler.url(postgres.name, database=postgres.name))
    run.fails("postgres.database-missing", Layer.AUTH, POOLED_KEY, hint="[databases]")


@profiles.long
@pytest.mark.parametrize("warm", [True, False])
def test_paused_pooler(postgres: Postgres, warm: bool) -> None:
    users = {postgres.name: PASSWORD}
    with pgbouncer_server(postgres.address, users=users, admin_users="postgres") as pooler:
        url = pooler.url(postgres.name, database=postgres.name)
        if warm:
            assert pooled(url).status is Status.OK
        pooler.command("PAUSE")
        run = pooled(url)
        finding_id = "postgres.pool-exhausted" if warm else "postgres.pooler-backend-down"
        run.fails(finding_id, Layer.ACCESS, POOLED_KEY, hint="RESUME")
        pooler.command("RESUME")


@profiles.long
def test_database_that_the_pooler_disables(postgres: Postgres) -> None:
    server, users = f"{postgres.address}/{postgres.name}", {postgres.name: PASSWORD}
    with pgbouncer_server(server, users=users, admin_users="postgres") as pooler:
        pooler.command(f"DISABLE {postgres.name}")
        run = pooled(pooler.url(postgres.name, database=postgres.name))
    run.fails("postgres.may-not-connect", Layer.AUTH, POOLED_KEY, hint="ENABLE")


def test_pooler_in_statement_mode(postgres: Postgres) -> None:
    with pgbouncer_server(postgres.address, pool_mode="statement") as pooler:
        run = pooled(pooler.url(postgres.name, database=postgres.name))
    run.fails("postgres.statement-pooling", Layer.ACCESS, POOLED_KEY, hint="pool_mode = transaction")


# Balancers and links


@profiles.long
def test_balancer_without_a_server() -> None:
    with haproxy_server(NOWHERE) as balancer:
        run = direct(balancer.url())
    run.fails("network.reset", Layer.AUTH, DIRECT_KEY, hint="look at its backends")


@profiles.long
def test_login_cut_after_the_first_message(postgres: Postgres) -> None:
    def serve(client: socket.socket) -> None:
        with socket.create_connection((faults.LOOPBACK, postgres.port)) as server:
            server.sendall(client.recv(4096))
            client.sendall(server.recv(4096))

    with faults.serving(serve) as port:
        run = direct(f"postgres://u:p@127.0.0.1:{port}/d")
    run.fails("network.reset", Layer.AUTH, DIRECT_KEY, hint="backends")


@profiles.long
def test_server_that_also_takes_a_tls_handshake_first_is_no_tls_port(authority: Authority) -> None:
    with postgres_server(certificate=authority.leaf()) as server:

        def serve(client: socket.socket) -> None:
            if client.recv(1, socket.MSG_PEEK) == b"\x16":  # a ClientHello; every other conversation is cut
                relay(client, server.port)
                return
            with socket.create_connection((faults.LOOPBACK, server.port)) as behind:
                behind.sendall(client.recv(4096))
                client.sendall(behind.recv(4096))

        with faults.serving(serve) as port:
            run = direct(f"postgres://u:p@127.0.0.1:{port}/d")
    run.fails("network.reset", Layer.AUTH, DIRECT_KEY, hint="backends")


def test_slow_link(postgres: Postgres) -> None:
    with delayed(postgres.port, 0.6) as port:
        url = postgres.url().replace(f":{postgres.port}/", f":{port}/")
        run = direct(url, stage="live", timeout=2.0)
    run.fails("postgres.slow-link", Layer.AUTH, DIRECT_KEY, hint="--timeout")
