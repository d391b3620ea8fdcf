"""The healthy case and the main faults on other versions of Postgres and PgBouncer, and behind HAProxy."""

from collections.abc import Callable, Iterator

import psycopg
import pytest

from checks.core.finding import Layer, Status
from checks.postgres import Postgres as Check
from tests.harness import profiles
from tests.harness.postgres_check import CONTROL, DATA, MIGRATED, check_direct, check_pooled
from tests.harness.run_check import run_check
from tests.kinds.test_postgres_fitness import CREDENTIALS, encrypted
from tests.testbed import Authority, Postgres, haproxy_server, pgbouncer_server, postgres_server, versions
from tests.testbed.pgbouncer import NOWHERE
from tests.testbed.postgres import PASSWORD

pytestmark = profiles.long
DIRECT_KEY, POOLED_KEY = f"{DATA}.direct_url", f"{DATA}.pooled_url"


@pytest.fixture(scope="module", params=versions.POSTGRES)
def server(request: pytest.FixtureRequest) -> Iterator[Postgres]:
    with postgres_server(build=versions.postgres(request.param)) as server:
        assert str(server.sql("SHOW server_version")[0][0]).startswith(f"{request.param}.")
        assert f" {request.param}" in str(Check.__doc__)
        yield server


def prepared(server: Postgres, *statements: str) -> str:
    """A database in which the data plane is migrated, after these statements of its owner."""
    name = server.database()
    with psycopg.connect(server.url(database=name), autocommit=True) as connection:
        for statement in (MIGRATED.format(plane="data_plane"), *statements):
            connection.execute(statement.encode())
    return name


def test_healthy(server: Postgres) -> None:
    run = check_direct(server.url(database=prepared(server)))
    assert run.status is Status.OK, run
    assert run.facts["system"] == str(server.sql("SELECT system_identifier FROM pg_control_system()")[0][0])


@pytest.mark.parametrize("version", ["1.18", "1.24"])
def test_healthy_through_a_pooler(server: Postgres, version: str) -> None:
    with pgbouncer_server(server.address, image=versions.pgbouncer(version)) as pooler:
        run = check_pooled(pooler.url(database=prepared(server)))
    assert run.status is Status.OK, run
    assert run.facts["pooled"] is True


def test_healthy_behind_a_balancer(server: Postgres) -> None:
    with haproxy_server(server.address) as balancer:
        run = check_direct(balancer.url(database=prepared(server)))
    assert run.status is Status.OK, run


def test_master_keys(server: Postgres) -> None:
    name = server.database()
    with psycopg.connect(server.url(database=name), autocommit=True) as connection:
        row = f"INSERT INTO control_plane.organization_credential_keys VALUES (1, '{encrypted('first')}')"
        connection.execute(f"{CREDENTIALS}; {row}".encode())
    version = "services.control_plane_api.integrations.master_encryption_keys.1"
    values = {f"{CONTROL}.pooled_url": server.url(database=name)}
    assert run_check(f"{CONTROL}.pooled", values | {version: "first"}).status is Status.OK
    run = run_check(f"{CONTROL}.pooled", values | {version: "other"})
    run.fails("postgres.master-key-wrong", Layer.FITNESS, version, hint="put back the key")


LOGINS: dict[str, tuple[str, Callable[[Postgres], str]]] = {
    "a wrong password": ("postgres.password-rejected", lambda server: server.url(password="wrong")),
    "no such role": ("postgres.password-rejected", lambda server: server.url("nobody")),
    "NOLOGIN": ("postgres.role-missing", lambda server: server.url(changed(server, "NOLOGIN"))),
    "an expired role": (
        "postgres.password-rejected",
        lambda server: server.url(changed(server, "VALID UNTIL '2001-01-01'")),
    ),
    "no such database": ("postgres.database-missing", lambda server: server.url(database="nowhere")),
    "a closed database": (
        "postgres.may-not-connect",
        lambda server: server.url(database=server.database(options="ALLOW_CONNECTIONS false")),
    ),
    "the role's limit": (
        "postgres.too-many-connections",
        lambda server: server.url(changed(server, "CONNECTION LIMIT 0")),
    ),
    "an unknown parameter": ("postgres.unknown-parameter", lambda server: f"{server.url()}?schema=x"),
    "a wrong value": ("postgres.unknown-parameter", lambda server: f"{server.url()}?statement_timeout=x"),
    "a library that is not there": (
        "postgres.login-refused",
        lambda server: server.url(database=set_on_database(server, "session_preload_libraries = 'nowhere'")),
    ),
}


def changed(server: Postgres, options: str) -> str:
    role = server.role()
    server.sql(f"ALTER ROLE {role} {options}")
    return role


def set_on_database(server: Postgres, setting: str) -> str:
    name = server.database()
    server.sql(f"ALTER DATABASE {name} SET {setting}")
    return name


@pytest.mark.parametrize("case", LOGINS)
def test_login_that_is_refused(server: Postgres, case: str) -> None:
    finding_id, url = LOGINS[case]
    run = check_direct(url(server), "before-deploy")
    run.fails(finding_id, Layer.AUTH, DIRECT_KEY, hint="")


FAULTS = {
    "half a migration": (("DROP TABLE data_plane.thing, data_plane.other",), "postgres.migrations-half-done"),
    "an empty record": (("DELETE FROM data_plane_meta.schema_migrations",), "postgres.migrations-half-done"),
    "no workflow migrations": (
        ("DELETE FROM data_plane_openworkflow.openworkflow_migrations",),
        "postgres.not-migrated",
    ),
}


@pytest.mark.parametrize("case", FAULTS)
def test_migrations(server: Postgres, case: str) -> None:
    statements, finding_id = FAULTS[case]
    run = check_direct(server.url(database=prepared(server, *statements)))
    run.fails(finding_id, Layer.FITNESS, DIRECT_KEY, hint="")


def test_rights(server: Postgres) -> None:
    name, role = prepared(server), server.role()
    run = check_direct(server.url(role, database=name))
    failed = {finding.id for finding in run.findings if finding.status is Status.FAIL}
    assert failed == {"postgres.may-not-create", "postgres.may-not-use-schema"}, run
    server.sql(f"GRANT {server.name} TO {role}")
    assert check_direct(server.url(role, database=name)).status is Status.OK


SETTINGS = {
    "statement_timeout = '2s'": ("postgres.short-timeout", Status.WARN),
    "idle_session_timeout = '1s'": ("postgres.short-timeout", Status.WARN),
    "default_transaction_read_only = on": ("postgres.read-only", Status.FAIL),
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_settings(server: Postgres, setting: str) -> None:
    finding_id, status = SETTINGS[setting]
    name = prepared(server)
    server.sql(f"ALTER DATABASE {name} SET {setting}")
    run = check_direct(server.url(database=name))
    assert run.status is run[finding_id].status is status, run


HBA = [("somebody all scram-sha-256", "no-hba-entry"), ("all all ident", "login-method")]


@pytest.mark.parametrize(("hba", "finding_id"), HBA)
@pytest.mark.parametrize("version", versions.POSTGRES)
def test_pg_hba(version: str, hba: str, finding_id: str) -> None:
    with postgres_server(f"host all {hba}", build=versions.postgres(version)) as server:
        run = check_direct(server.url(), "before-deploy")
    run.fails(f"postgres.{finding_id}", Layer.AUTH, DIRECT_KEY, hint="")


def test_oauth_of_postgres_18() -> None:
    """The server names the way to log in before it asks the library, which is none."""
    hba, library = "host all all all oauth issuer=https://login.test scope=x", {"oauth_validator_libraries": "plpgsql"}
    with postgres_server(hba, build=versions.postgres("18"), **library) as server:
        run = check_direct(server.url(), "before-deploy")
    run.fails("postgres.login-method", Layer.AUTH, DIRECT_KEY, hint="scram-sha-256")


def test_german_messages_of_postgres_15() -> None:
    with postgres_server(build=versions.postgres("15"), lc_messages="de_DE.UTF-8") as server:
        run = check_direct(server.url(password="wrong"))
        finding = run.fails("postgres.password-rejected", Layer.AUTH, DIRECT_KEY, hint="VALID UNTIL")
        assert "Passwort-Authentifizierung für Benutzer" in finding.message
        run = check_direct(server.url(database="nowhere"))
        run.fails("postgres.database-missing", Layer.AUTH, DIRECT_KEY, hint="CREATE DATABASE")


def test_tls_of_postgres_15(authority: Authority) -> None:
    with postgres_server(
        "hostssl all all all scram-sha-256", authority.leaf(), build=versions.postgres("15")
    ) as server:
        run = check_direct(server.url(sslmode="require", database=prepared(server)))
        assert run.status is Status.OK, run
        check_direct(server.url()).fails("postgres.tls-required", Layer.AUTH, DIRECT_KEY, hint="sslmode=verify-full")
        run = check_direct(server.url(sslmode="require", sslnegotiation="direct"))
        run.fails("postgres.unknown-parameter", Layer.AUTH, DIRECT_KEY, hint="Postgres 17 or newer")


# Poolers


@pytest.fixture(params=["1.18", "1.24"])
def pgbouncer(request: pytest.FixtureRequest) -> str:
    return versions.pgbouncer(request.param)


def test_pooler_with_a_wrong_password(postgres: Postgres, pgbouncer: str) -> None:
    with pgbouncer_server(postgres.address, image=pgbouncer) as pooler:
        run = check_pooled(pooler.url(password="wrong"))
        run.fails("postgres.password-rejected", Layer.AUTH, POOLED_KEY, hint="user name and password")
        run = check_pooled(pooler.url("nobody"))
        assert run.status is Status.FAIL
        run = check_direct(pooler.url(), "before-deploy")
        run.fails("postgres.pooler-on-direct-url", Layer.FITNESS, DIRECT_KEY, hint="not the pooler")
        run = check_direct(f"{pooler.url()}?search_path=x")
        run.fails("postgres.unknown-parameter", Layer.AUTH, DIRECT_KEY, hint="remove the parameter")


def test_pooler_asks_for_a_password_in_a_database_that_is_not_there(postgres: Postgres) -> None:
    """Later versions ask in the database of auth_dbname; 1.18 asks in the client's, and tries it again and again."""
    with pgbouncer_server(postgres.address, image=versions.pgbouncer("1.18")) as pooler:
        run = run_check(f"{DATA}.pooled", {POOLED_KEY: pooler.url(database="nowhere")}, timeout=4.0)
    run.fails("postgres.pooler-backend-down", Layer.ACCESS, POOLED_KEY, hint="the database's name")


def test_pooler_that_logs_in_with_a_wrong_password(postgres: Postgres, pgbouncer: str) -> None:
    role = postgres.role()
    with pgbouncer_server(postgres.address, users={role: "another"}, image=pgbouncer) as pooler:
        run = check_pooled(pooler.url(role, "another", postgres.name))
    run.fails("postgres.pooler-login-refused", Layer.ACCESS, POOLED_KEY, hint="the pooler itself logs in")


def test_pooler_without_a_server(pgbouncer: str) -> None:
    with pgbouncer_server(NOWHERE, users={"mistle": PASSWORD}, image=pgbouncer) as pooler:
        run = run_check(f"{DATA}.pooled", {POOLED_KEY: pooler.url()}, timeout=4.0)
    run.fails("postgres.pooler-backend-down", Layer.ACCESS, POOLED_KEY, hint="behind the pooler")


POOLERS = {
    "statement mode": ({"pool_mode": "statement"}, "", "postgres.statement-pooling", Layer.ACCESS),
    "the console": ({}, "pgbouncer", "postgres.database-missing", Layer.AUTH),
    "auth_type=any": ({"auth_type": "any"}, "", "postgres.login-refused", Layer.AUTH),
    "another database": ({}, "", "postgres.database-missing", Layer.AUTH),
}


@pytest.mark.parametrize("case", POOLERS)
def test_pooler(postgres: Postgres, pgbouncer: str, case: str) -> None:
    settings, database, finding_id, layer = POOLERS[case]
    known, users = "/another" if case == "another database" else "", {postgres.name: PASSWORD}
    with pgbouncer_server(f"{postgres.address}{known}", users=users, image=pgbouncer, **settings) as pooler:
        run = check_pooled(pooler.url(postgres.name, database=database or postgres.name))
    run.fails(finding_id, layer, POOLED_KEY, hint="")


def test_paused_pooler(postgres: Postgres, pgbouncer: str) -> None:
    users = {postgres.name: PASSWORD}
    with pgbouncer_server(postgres.address, users=users, admin_users="postgres", image=pgbouncer) as pooler:
        pooler.command("PAUSE")
        run = check_pooled(pooler.url(postgres.name, database=postgres.name))
        run.fails("postgres.pooler-backend-down", Layer.ACCESS, POOLED_KEY, hint="RESUME")
        pooler.command("RESUME")


def test_pooler_with_tls(postgres: Postgres, pgbouncer: str, authority: Authority) -> None:
    with pgbouncer_server(postgres.address, certificate=authority.leaf(), image=pgbouncer) as pooler:
        check_pooled(pooler.url()).fails("postgres.tls-required", Layer.AUTH, POOLED_KEY, hint="sslmode=verify-full")
        run = check_pooled(pooler.url(sslmode="no-verify"))
    assert run.status is Status.OK, run
