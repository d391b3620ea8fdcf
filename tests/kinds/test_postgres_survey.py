"""What a real server reports of settings, rights and migrations, and what of it stops Mistle."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from checks.core.finding import Layer, Status
from tests.harness import profiles
from tests.harness.postgres_check import CONTROL, DATA, check_direct, migrated, run_as_mistle
from tests.harness.run_check import CheckRun, run_check
from tests.testbed import PgBouncer, Postgres, postgres_replica, postgres_server
from tests.testbed.postgres import PASSWORD

DIRECT_KEY, POOLED_KEY = f"{DATA}.direct_url", f"{DATA}.pooled_url"


def pooled(url: str, **values: object) -> CheckRun:
    return run_check(f"{DATA}.pooled", {POOLED_KEY: url} | values, stage="before-deploy")


@pytest.fixture
def database(postgres: Postgres) -> str:
    """A database of `mistle` in which the data plane is migrated."""
    return migrated(postgres, "data_plane")


# Migrations

UNFINISHED = {
    "no migration recorded": (
        "DELETE FROM data_plane_openworkflow.openworkflow_migrations",
        "postgres.not-migrated",
        "openworkflow_migrations is empty",
    ),
    "OpenWorkflow ended after version 0": (
        "UPDATE data_plane_openworkflow.openworkflow_migrations SET version = 0",
        "postgres.not-migrated",
        "ends at version 0; Mistle needs version 4",
    ),
}
BROKEN = {
    "an empty record": (
        "DELETE FROM data_plane_meta.schema_migrations",
        "data_plane_meta.schema_migrations is empty",
    ),
    "a view": (
        "ALTER TABLE data_plane_meta.schema_migrations RENAME TO other;"
        "CREATE VIEW data_plane_meta.schema_migrations AS SELECT * FROM data_plane_meta.other",
        "is a view, not a table",
    ),
    "no tables": ("DROP TABLE data_plane.thing, data_plane.other", "schema data_plane has no table"),
    "no workflow tables": (
        "DROP TABLE data_plane_openworkflow.step_attempts",
        "workflow_runs or step_attempts does not exist",
    ),
}


@pytest.mark.parametrize("case", profiles.first(1, list(UNFINISHED)))
def test_unfinished_migrations(postgres: Postgres, database: str, case: str) -> None:
    statements, finding_id, message = UNFINISHED[case]
    run_as_mistle(postgres, database, statements)
    run = check_direct(postgres.url(database=database))
    assert message in run.fails(finding_id, Layer.FITNESS, DIRECT_KEY, hint="run the plane's migrations").message
    before = check_direct(postgres.url(database=database), stage="before-deploy")
    assert "follow" in before.passes(finding_id, Layer.FITNESS, DIRECT_KEY).message


@pytest.mark.parametrize("stage", ["live", "before-deploy"])
@pytest.mark.parametrize("case", profiles.first(1, list(BROKEN)))
def test_migrations_that_running_again_does_not_repair(
    postgres: Postgres, database: str, case: str, stage: str
) -> None:
    statements, message = BROKEN[case]
    run_as_mistle(postgres, database, statements)
    run = check_direct(postgres.url(database=database), stage=stage)
    finding = run.fails("postgres.migrations-half-done", Layer.FITNESS, DIRECT_KEY, hint="restore the database")
    assert message in finding.message


def test_empty_record_of_a_first_migration_that_failed(postgres: Postgres) -> None:
    name = postgres.database()
    run_as_mistle(postgres, name, "CREATE SCHEMA control_plane; CREATE SCHEMA control_plane_meta")
    run_as_mistle(postgres, name, "CREATE TABLE control_plane_meta.schema_migrations (id bigint)")
    key = f"{CONTROL}.direct_url"
    values = {key: postgres.url(database=name)}
    live = run_check(f"{CONTROL}.direct", values)
    live.fails("postgres.not-migrated", Layer.FITNESS, key, hint="run the plane's migrations")
    run_check(f"{CONTROL}.direct", values, stage="before-deploy").passes("postgres.not-migrated", Layer.FITNESS, key)


# Rights


@profiles.long
def test_no_create_on_an_existing_schema(postgres: Postgres, database: str) -> None:
    run_as_mistle(postgres, database, f"REVOKE CREATE ON SCHEMA data_plane FROM {postgres.name}")
    finding = check_direct(postgres.url(database=database)).fails(
        "postgres.may-not-create", Layer.ACCESS, DIRECT_KEY, hint="GRANT CREATE ON SCHEMA data_plane TO"
    )
    assert finding.message.endswith("lacks CREATE on schema data_plane")


def test_tables_of_another_role(postgres: Postgres, database: str) -> None:
    role = postgres.role()
    postgres.sql(f"GRANT CREATE ON DATABASE {database} TO {role}")
    for schema in ("data_plane", "data_plane_meta", "data_plane_openworkflow"):
        run_as_mistle(postgres, database, f"GRANT ALL ON SCHEMA {schema} TO {role}")
        run_as_mistle(postgres, database, f"GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO {role}")
    finding = check_direct(postgres.url(role, database=database)).warns(
        "postgres.not-owner", Layer.FITNESS, DIRECT_KEY, hint=f"REASSIGN OWNED BY {postgres.name} TO {role}"
    )
    assert "data_plane.other and 5 more" in finding.message
    postgres.sql(f"GRANT {postgres.name} TO {role}")
    assert check_direct(postgres.url(role, database=database)).status is Status.OK


def test_pooled_role_that_nothing_bridges(postgres: Postgres, pgbouncer: PgBouncer) -> None:
    name, role = postgres.database(), postgres.role()
    values = {DIRECT_KEY: postgres.url(database=name)}
    url = pgbouncer.url(role, database=name)
    finding = pooled(url, **values).warns(
        "postgres.roles-not-bridged", Layer.ACCESS, POOLED_KEY, hint=f"GRANT {postgres.name} TO {role}"
    )
    assert f"role {postgres.name} will own the tables of data_plane" in finding.message
    assert pooled(pgbouncer.url(database=name), **values).status is Status.OK
    for rights in ("INSERT ON TABLES", "SELECT, UPDATE, DELETE ON TABLES", "USAGE ON SCHEMAS"):
        assert pooled(url, **values)["postgres.roles-not-bridged"].status is Status.WARN
        run_as_mistle(postgres, name, f"ALTER DEFAULT PRIVILEGES GRANT {rights} TO {role}")
    assert pooled(url, **values).status is Status.OK


@profiles.long
def test_default_privileges_that_do_not_reach_the_plane(postgres: Postgres, pgbouncer: PgBouncer) -> None:
    name, role = postgres.database(), postgres.role()
    values, url = {DIRECT_KEY: postgres.url(database=name)}, pgbouncer.url(role, database=name)
    postgres.sql(f"GRANT ALL ON SCHEMA public TO {postgres.name}", database=name)
    privileges = f"GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {role}"
    run_as_mistle(postgres, name, f"ALTER DEFAULT PRIVILEGES IN SCHEMA public {privileges}")
    assert "rights on them" in pooled(url, **values)["postgres.roles-not-bridged"].message
    run_as_mistle(postgres, name, f"ALTER DEFAULT PRIVILEGES {privileges}")
    assert "USAGE on their schema" in pooled(url, **values)["postgres.roles-not-bridged"].message
    postgres.sql(f"GRANT pg_read_all_data, pg_write_all_data TO {role}")
    assert pooled(url, **values).status is Status.OK


@profiles.long
def test_pooled_role_that_is_a_member_of_the_direct_role(postgres: Postgres, pgbouncer: PgBouncer) -> None:
    name, role = postgres.database(), postgres.role()
    postgres.sql(f"GRANT {postgres.name} TO {role}")
    values = {DIRECT_KEY: postgres.url(database=name)}
    assert pooled(pgbouncer.url(role, database=name), **values).status is Status.OK


@pytest.mark.parametrize(
    ("policy", "status", "expected"),
    [
        ("", Status.FAIL, "all rows are hidden"),
        pytest.param("CREATE POLICY p ON data_plane.thing USING (id > 3)", Status.WARN, "may be", marks=profiles.long),
    ],
)
def test_row_level_security(
    postgres: Postgres, pgbouncer: PgBouncer, database: str, policy: str, status: Status, expected: str
) -> None:
    role = postgres.role()
    grants = "GRANT USAGE ON SCHEMA data_plane TO {0}; GRANT ALL ON ALL TABLES IN SCHEMA data_plane TO {0}"
    run_as_mistle(postgres, database, grants.format(role))
    run_as_mistle(postgres, database, f"ALTER TABLE data_plane.thing ENABLE ROW LEVEL SECURITY; {policy}")
    run = pooled(pgbouncer.url(role, database=database))
    assert run.status is status
    finding = run["postgres.row-security"]
    assert (finding.layer, finding.status, finding.fields) == (Layer.ACCESS, status, (POOLED_KEY,))
    assert "DISABLE ROW LEVEL SECURITY" in finding.hint
    assert expected in finding.message
    assert pooled(pgbouncer.url(database=database)).status is Status.OK  # its owner sees all rows


# Settings


def test_statement_timeout_of_the_role(postgres: Postgres) -> None:
    role = postgres.role()
    name = postgres.database(owner=role)
    postgres.sql(f"ALTER ROLE {role} SET statement_timeout = '2s'")
    finding = check_direct(postgres.url(role, database=name), stage="before-deploy").warns(
        "postgres.short-timeout", Layer.FITNESS, DIRECT_KEY, hint="ALTER ROLE"
    )
    assert "statement_timeout is 2000 ms" in finding.message
    postgres.sql(f"ALTER ROLE {role} SET statement_timeout = '90ms'")
    failed = check_direct(postgres.url(role, database=name), stage="before-deploy")
    failed.fails("postgres.short-timeout", Layer.FITNESS, DIRECT_KEY, hint="ALTER ROLE")


@profiles.long
@pytest.mark.parametrize(
    "setting",
    ["lock_timeout", "transaction_timeout", "idle_in_transaction_session_timeout", "idle_session_timeout"],
)
def test_other_timeouts_of_the_database(postgres: Postgres, pgbouncer: PgBouncer, setting: str) -> None:
    name = postgres.database()
    postgres.sql(f"ALTER DATABASE {name} SET {setting} = '950ms'")
    run = pooled(pgbouncer.url(database=name))
    assert f"{setting} is 950 ms" in run["postgres.short-timeout"].message
    postgres.sql(f"ALTER DATABASE {name} SET {setting} = '10min'")
    assert pooled(pgbouncer.url(database=postgres.database())).status is Status.OK


@profiles.long
def test_timeouts_of_the_url(postgres: Postgres) -> None:
    run = check_direct(postgres.url(statement_timeout="900"), stage="before-deploy")
    run.fails("postgres.short-timeout", Layer.FITNESS, DIRECT_KEY, hint="the parameter in")
    assert check_direct(postgres.url(statement_timeout="60s"), stage="before-deploy").status is Status.OK


def test_event_trigger_that_refuses_ddl(postgres: Postgres) -> None:
    name = postgres.database()
    postgres.sql(
        "CREATE FUNCTION no() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''frozen''; END';"
        "CREATE EVENT TRIGGER frozen ON ddl_command_start EXECUTE FUNCTION no()",
        database=name,
    )
    finding = check_direct(postgres.url(database=name), stage="before-deploy").warns(
        "postgres.event-trigger", Layer.FITNESS, DIRECT_KEY, hint="ALTER EVENT TRIGGER"
    )
    assert "frozen" in finding.message
    postgres.sql("ALTER EVENT TRIGGER frozen DISABLE", database=name)
    assert check_direct(postgres.url(database=name), stage="before-deploy").status is Status.OK


# Facts that the server refuses

REFUSED = {
    "pg_control_system()": "",
    'json_build_object(VARIADIC "any")': "",
    "pg_is_in_recovery()": "not known: recovery; the server reports: ERROR: permission denied for function",
    "pg_postmaster_start_time()": "not known: started; ",
    "pg_lock_status()": "not known: ",
}


@pytest.mark.parametrize("function", profiles.first(3, list(REFUSED)))
def test_a_function_that_the_role_may_not_call(postgres: Postgres, database: str, function: str) -> None:
    postgres.sql(f"REVOKE EXECUTE ON FUNCTION {function} FROM public", database=database)
    run = check_direct(postgres.url(database=database))
    assert run.status is (Status.SKIP if REFUSED[function] else Status.OK), run
    skipped = [finding.message for finding in run.findings if finding.status is Status.SKIP]
    assert "".join(skipped).startswith(REFUSED[function])


@profiles.long
def test_a_revoked_function_through_a_pooler(postgres: Postgres, pgbouncer: PgBouncer, database: str) -> None:
    postgres.sql("REVOKE EXECUTE ON FUNCTION pg_is_in_recovery() FROM public", database=database)
    assert pooled(pgbouncer.url(database=database)).status is Status.SKIP


def test_a_revoked_function_hides_no_other_fault(postgres: Postgres, database: str) -> None:
    postgres.sql("REVOKE EXECUTE ON FUNCTION pg_is_in_recovery() FROM public", database=database)
    run_as_mistle(postgres, database, "DROP TABLE data_plane_openworkflow.openworkflow_migrations")
    run = check_direct(postgres.url(database=database))
    run.fails("postgres.not-migrated", Layer.FITNESS, DIRECT_KEY, hint="workflow")


# Several addresses of one name


AtName = Callable[..., CheckRun]


@pytest.fixture
def at_name(resolve_to: Callable[..., None]) -> AtName:
    """Runs the check of a URL whose host has the addresses of these servers, in this order."""

    def run_at(*servers: Postgres) -> CheckRun:
        resolve_to(*(server.address.partition(":")[0] for server in servers))
        return check_direct(replace(servers[0], host="db.test", port=5432).url(), stage="before-deploy")

    return run_at


def test_name_that_leads_to_a_primary_and_its_replica(at_name: AtName) -> None:
    with postgres_server() as primary, postgres_replica(primary) as replica:
        run = at_name(primary, replica)
        assert at_name(primary).status is Status.OK
    several = run["postgres.several-servers"]
    assert (several.layer, several.status, several.fields) == (Layer.FITNESS, Status.FAIL, (DIRECT_KEY,))
    assert "both addresses of db.test, lead to different servers" in several.message
    assert "lead to the one primary alone" in several.hint


@profiles.long
def test_name_that_leads_to_two_clusters(at_name: AtName) -> None:
    with postgres_server() as one, postgres_server() as other:
        at_name(one, other).fails("postgres.several-servers", Layer.FITNESS, DIRECT_KEY, hint="the one primary alone")


@profiles.long
def test_name_of_which_one_server_refuses_the_login(at_name: AtName) -> None:
    with postgres_server() as one, postgres_server() as other:
        other.sql("ALTER ROLE mistle PASSWORD 'another'")
        run = at_name(one, other)
        finding = run.warns("postgres.several-servers", Layer.FITNESS, DIRECT_KEY, hint="the one primary alone")
        assert "password authentication failed" in finding.message
        other.sql(f"ALTER ROLE mistle PASSWORD '{PASSWORD}' CONNECTION LIMIT 0")
        assert at_name(one, other).status is Status.OK  # this may end by itself
