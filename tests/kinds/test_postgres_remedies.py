"""Each remedy of the Postgres check, run as it is printed by psql: its finding is gone, and nothing else is found."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql

from checks.core.finding import Finding, Status
from checks.core.remedy import Remedy
from preflight import check as preflight_check
from preflight.config.schema.keys import key_of
from tests.harness import profiles
from tests.harness.configs import write
from tests.harness.postgres_check import DATA, check_direct, check_pooled, migrated, run_as_mistle
from tests.harness.remedies import has_form, printed, problems, run_in, run_in_shell
from tests.harness.run_check import CheckRun, run_check
from tests.testbed import PgBouncer, Postgres, postgres_server
from tests.testbed.postgres import PASSWORD, SUPERUSER, SUPERUSER_PASSWORD

DIRECT_KEY, POOLED_KEY = f"{DATA}.direct_url", f"{DATA}.pooled_url"
HOSTILE = {
    "SQL": 'x"; DROP TABLE victim; --',
    "a shell": "x'$(touch /tmp/owned)`touch /tmp/owned`;touch /tmp/owned",
    "psql": "\\! touch /tmp/owned",
    "variables": ":x :'USER' :\"USER\"",
    "a dash": "--command=DROP TABLE victim",
    "a URL": "postgresql://evil.test/x",
    "settings": "host=evil.test user=x",
    "a line of its own": "x\n\\! touch /tmp/owned",
    "a terminal": "x\x1b[2J",
    "another script": "роль “x”",
}
AS_IT_IS = ";/:@&=+$,"  # JavaScript's decodeURI, which Mistle's client uses, does not decode these
NOT_ON_A_LINE = {"a line of its own", "a terminal"}


def cure(server: Postgres, findings: tuple[Finding, ...], id_: str) -> list[str]:
    """Run every remedy of these findings."""
    made = [remedy for finding in findings if finding.id == id_ for remedy in finding.remedies]
    assert made
    for remedy in made:
        assert has_form(remedy, id_)
        psql(server, remedy)
    return [remedy.command for remedy in made]


def psql(server: Postgres, remedy: Remedy) -> None:
    login = {"PGUSER": SUPERUSER, "PGPASSWORD": SUPERUSER_PASSWORD, "PGHOST": "127.0.0.1", "PGPORT": "5432"}
    run_in(server, remedy, **login)


def closes(server: Postgres, check: Callable[[], CheckRun], id_: str) -> list[str]:
    """The fault is there; what is printed is run; the fault is gone, and there is no other."""
    before = check()
    assert id_ in problems(before), before
    commands = cure(server, before.findings, id_)
    after = check()
    assert not problems(after) - (problems(before) - {id_}), after
    assert id_ not in problems(after), after
    return commands


def test_create_on_the_database(postgres: Postgres) -> None:
    database, role = postgres.database(), postgres.role()
    url = postgres.url(role, database=database)
    (command,) = closes(postgres, lambda: check_direct(url, "before-deploy"), "postgres.may-not-create")
    assert command == f"""psql -d {database} -c 'GRANT CREATE ON DATABASE "{database}" TO "{role}"'"""


@profiles.long
def test_create_on_a_schema(postgres: Postgres) -> None:
    database = migrated(postgres, "data_plane")
    run_as_mistle(postgres, database, f"REVOKE CREATE ON SCHEMA data_plane FROM {postgres.name}")
    closes(postgres, lambda: check_direct(postgres.url(database=database)), "postgres.may-not-create")


@profiles.long
def test_rights_on_a_schema_and_on_what_is_still_to_come(postgres: Postgres, pgbouncer: PgBouncer) -> None:
    database, role = migrated(postgres, "data_plane"), postgres.role()
    values = {DIRECT_KEY: postgres.url(database=database)}
    url = pgbouncer.url(role, database=database)
    closes(postgres, lambda: check_pooled(url, **values), "postgres.may-not-use-schema")
    run_as_mistle(postgres, database, "CREATE TABLE data_plane.later (id bigserial)")
    assert problems(check_pooled(url, **values)) == set()


@profiles.long
def test_rights_on_a_sequence(postgres: Postgres, pgbouncer: PgBouncer) -> None:
    database, role = migrated(postgres, "data_plane"), postgres.role()
    run_as_mistle(postgres, database, "CREATE TABLE data_plane.counted (id bigserial)")
    run_as_mistle(postgres, database, f"GRANT USAGE ON SCHEMA data_plane TO {role}")
    rights = f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA data_plane TO {role}"
    run_as_mistle(postgres, database, rights)
    closes(postgres, lambda: check_pooled(pgbouncer.url(role, database=database)), "postgres.may-not-use-schema")


@profiles.long
def test_default_privileges_of_the_role_that_will_migrate(postgres: Postgres, pgbouncer: PgBouncer) -> None:
    database, role = postgres.database(), postgres.role()
    values = {POOLED_KEY: pgbouncer.url(role, database=database), DIRECT_KEY: postgres.url(database=database)}

    def check() -> CheckRun:
        return run_check(f"{DATA}.pooled", values, stage="before-deploy")

    closes(postgres, check, "postgres.roles-not-bridged")


READ_ONLY = {
    "the role": "ALTER ROLE {role} SET default_transaction_read_only = on",
    "the database": "ALTER DATABASE {database} SET default_transaction_read_only = on",
    "the role in the database": "ALTER ROLE {role} IN DATABASE {database} SET default_transaction_read_only = on",
}


@profiles.long
@pytest.mark.parametrize("whose", READ_ONLY)
def test_read_only_setting(postgres: Postgres, whose: str) -> None:
    database, role = postgres.database(), postgres.role()
    postgres.sql(f"GRANT CREATE ON DATABASE {database} TO {role}")
    postgres.sql(READ_ONLY[whose].format(role=role, database=database))
    url = postgres.url(role, database=database)
    closes(postgres, lambda: check_direct(url, "before-deploy"), "postgres.read-only")


@profiles.long
def test_read_only_setting_in_two_places(postgres: Postgres) -> None:
    database, role = postgres.database(), postgres.role()
    postgres.sql(f"GRANT CREATE ON DATABASE {database} TO {role}")
    for statement in READ_ONLY.values():
        postgres.sql(statement.format(role=role, database=database))
    url = postgres.url(role, database=database)
    assert len(closes(postgres, lambda: check_direct(url, "before-deploy"), "postgres.read-only")) == 3


@profiles.long
def test_limits_of_role_and_database(postgres: Postgres) -> None:
    database, role = postgres.database(), postgres.role()
    postgres.sql(f"GRANT CREATE ON DATABASE {database} TO {role}")
    postgres.sql(f"ALTER ROLE {role} CONNECTION LIMIT 6")
    postgres.sql(f"ALTER DATABASE {database} CONNECTION LIMIT 7")
    url = postgres.url(role, database=database)
    closes(postgres, lambda: check_direct(url, "before-deploy"), "postgres.headroom")


@profiles.long
def test_limit_of_the_server() -> None:
    with postgres_server(max_connections=20) as server:
        before = check_direct(server.url(), "before-deploy")
        commands = cure(server, before.findings, "postgres.headroom")
        assert len(commands) == 1
        assert "ALTER SYSTEM SET max_connections = " in commands[0]
        needed = int(commands[0].rstrip("'").rpartition(" ")[2])
        assert "then" not in commands[0]
    with postgres_server(max_connections=needed) as server:  # a flag of the command line wins over ALTER SYSTEM
        assert problems(check_direct(server.url(), "before-deploy")) == set()
    with postgres_server(max_connections=needed - 1) as server:
        assert problems(check_direct(server.url(), "before-deploy")) == {"postgres.headroom"}


@profiles.long
def test_database_that_is_missing(postgres: Postgres) -> None:
    name = f"{postgres.name}_database_missing"  # removed like those of other tests
    url = postgres.url(database=name)
    closes(postgres, lambda: check_direct(url, "before-deploy"), "postgres.database-missing")


@profiles.long
def test_right_to_connect(postgres: Postgres) -> None:
    database, role = postgres.database(), postgres.role()
    postgres.sql(f"REVOKE CONNECT ON DATABASE {database} FROM PUBLIC")
    postgres.sql(f"GRANT CREATE ON DATABASE {database} TO {role}")
    url = postgres.url(role, database=database)
    closes(postgres, lambda: check_direct(url, "before-deploy"), "postgres.may-not-connect")


@profiles.long
def test_database_that_takes_no_connections(postgres: Postgres) -> None:
    database = postgres.database(options="ALLOW_CONNECTIONS false")
    url = postgres.url(database=database)
    closes(postgres, lambda: check_direct(url, "before-deploy"), "postgres.may-not-connect")


@profiles.long
@pytest.mark.parametrize("place", ["mistle.toml", "prod.env"])
def test_urls_that_are_swapped(postgres: Postgres, pgbouncer: PgBouncer, tmp_path: Path, place: str) -> None:
    database = postgres.database()
    urls = {DIRECT_KEY: pgbouncer.url(database=database), POOLED_KEY: postgres.url(database=database)}
    file, variables = write(tmp_path, urls), tmp_path / "prod.env"
    lines = (f"{key_of(key).variable}='{url}'\n" for key, url in urls.items())
    variables.write_text("".join(lines) if place == "prod.env" else "")

    def run() -> tuple[Finding, ...]:
        options = {"only": [f"{DATA}.*"], "stage": "before-deploy", "env_file": variables}
        return preflight_check(file, environ={}, **options).findings  # type: ignore[arg-type]

    before = run()
    (finding,) = (finding for finding in before if finding.id == "postgres.urls-swapped")
    remedy = printed(finding, "shell")
    assert PASSWORD not in remedy.command
    run_in_shell(remedy, tmp_path)
    assert not [finding for finding in run() if finding.status >= Status.WARN]


# Names that are more than names


@contextmanager
def named(postgres: Postgres, role: str, database: str) -> Iterator[None]:
    """A role and a database of these names, and a table that a statement in them would drop."""
    quoted = {"role": sql.Identifier(role), "database": sql.Identifier(database), "password": sql.Literal(PASSWORD)}

    def run(statement: str) -> None:
        postgres.sql(sql.SQL(statement).format(**quoted).as_string())

    run("CREATE ROLE {role} LOGIN PASSWORD {password}")
    run("CREATE DATABASE {database}")
    try:
        postgres.sql("CREATE TABLE victim (id int)", database=database)
        yield
    finally:
        run("DROP DATABASE {database}")
        run("DROP ROLE {role}")


@profiles.long
@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_names_of_role_and_database(postgres: Postgres, kind: str) -> None:
    name = HOSTILE[kind]
    with named(postgres, name, name):
        postgres.sql("CREATE SCHEMA data_plane; CREATE TABLE data_plane.thing (id int)", database=name)
        url = postgres.url(name).replace(f"/{postgres.name}", f"/{quote(name, safe=AS_IT_IS)}")
        before = check_pooled(url)
        assert "postgres.may-not-use-schema" in problems(before), before
        if kind in NOT_ON_A_LINE:
            assert before["postgres.may-not-use-schema"].remedies == ()
            return
        cure(postgres, before.findings, "postgres.may-not-use-schema")
        assert "postgres.may-not-use-schema" not in problems(check_pooled(url))
        assert postgres.sql("SELECT count(*) FROM victim", database=name) == [(0,)]
        code, _ = postgres.container.get_wrapped_container().exec_run(["test", "-e", "/tmp/owned"])
        assert code == 1


@profiles.long
def test_no_right_is_given_that_mistle_does_not_need(postgres: Postgres, pgbouncer: PgBouncer) -> None:
    database, role = migrated(postgres, "data_plane"), postgres.role()
    values = {DIRECT_KEY: postgres.url(database=database)}
    url = pgbouncer.url(role, database=database)
    closes(postgres, lambda: check_pooled(url, **values), "postgres.may-not-use-schema")
    with psycopg.connect(postgres.url(role, database=database)) as connection:
        asked = "select has_table_privilege('data_plane.thing', %s), has_schema_privilege('data_plane', 'create')"
        assert connection.execute(asked, ["truncate"]).fetchone() == (False, False)
