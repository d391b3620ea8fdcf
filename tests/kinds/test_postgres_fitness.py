"""The Postgres check above the login: state, rights and connection limits, on real servers."""

import os
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from hashlib import sha256

import psycopg
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from checks.core.finding import Layer, Status
from tests.harness.configs import MASTER_KEYS
from tests.harness.postgres_check import CONTROL, DATA, MIGRATED, check_direct, check_pooled, migrated, run_as_mistle
from tests.harness.relays import replacing
from tests.harness.run_check import run_check
from tests.testbed import PgBouncer, Postgres, postgres_server

pooled = partial(check_pooled, plane=CONTROL)


def test_a_migrated_plane_passes(postgres: Postgres) -> None:
    database = migrated(postgres, "control_plane", "data_plane")
    assert check_direct(postgres.url(database=database), plane=CONTROL).status is Status.OK
    assert check_direct(postgres.url(database=database)).status is Status.OK


def test_direct_role_lacks_usage_on_schema(postgres: Postgres) -> None:
    database, role = migrated(postgres, "data_plane"), postgres.role()
    postgres.sql(f"GRANT CREATE ON DATABASE {database} TO {role}")
    run = check_direct(postgres.url(role, database=database))
    finding = next(finding for finding in run.findings if finding.id == "postgres.may-not-use-schema")
    assert (finding.layer, finding.fields) == (Layer.ACCESS, (f"{DATA}.direct_url",))
    assert finding.message == f"role {role} lacks USAGE on schema data_plane_meta"
    assert "the role that ran the migrations" in finding.hint


def test_a_sequence_that_the_pooled_role_may_not_use(postgres: Postgres, pgbouncer: PgBouncer) -> None:
    database, role = migrated(postgres, "control_plane"), postgres.role()
    run_as_mistle(postgres, database, "CREATE TABLE control_plane.counted (id bigserial)")
    run_as_mistle(postgres, database, "CREATE TABLE control_plane.identified (id int GENERATED ALWAYS AS IDENTITY)")
    run_as_mistle(postgres, database, f"GRANT USAGE ON SCHEMA control_plane TO {role}")
    rights = f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA control_plane TO {role}"
    run_as_mistle(postgres, database, rights)
    finding = pooled(pgbouncer.url(role, database=database)).fails(
        "postgres.may-not-use-schema", Layer.ACCESS, f"{CONTROL}.pooled_url", hint="SEQUENCES"
    )
    assert finding.message.endswith("control_plane: counted_id_seq")


def test_plane_schema_dropped_and_its_migrations_recorded(postgres: Postgres) -> None:
    database = migrated(postgres, "data_plane")
    run_as_mistle(postgres, database, "DROP SCHEMA data_plane CASCADE")
    finding = check_direct(postgres.url(database=database)).fails(
        "postgres.migrations-half-done", Layer.FITNESS, f"{DATA}.direct_url", hint="restore the database"
    )
    assert "schema data_plane does not" in finding.message


def test_tcp_proxy_in_between(postgres: Postgres) -> None:
    with replacing(postgres.port, b"", b"") as port:
        url = postgres.url().replace(f":{postgres.port}/", f":{port}/")
        run = check_direct(url, stage="before-deploy")
    run.passes("postgres.relayed", Layer.FITNESS, f"{DATA}.direct_url")


def test_a_database_of_another_encoding(postgres: Postgres) -> None:
    database = postgres.database(options="ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    run_as_mistle(postgres, database, MIGRATED.format(plane="data_plane"))
    run_as_mistle(postgres, database, 'CREATE TABLE data_plane."café" (id bigint)')
    run = check_direct(postgres.url(database=database))
    finding = run.warns("postgres.not-utf8", Layer.FITNESS, f"{DATA}.direct_url", hint="ENCODING 'UTF8'")
    assert "LATIN1" in finding.message


def test_uncommitted_table_of_another_role_is_no_migration(postgres: Postgres) -> None:
    database = postgres.database()
    with psycopg.connect(postgres.url("postgres", "postgres-superuser", database)) as other:
        other.execute("CREATE TABLE public.elsewhere (id bigint)")
        assert check_direct(postgres.url(database=database), stage="before-deploy").status is Status.OK


def test_pooler_on_the_direct_url(pgbouncer: PgBouncer, postgres: Postgres) -> None:
    database = migrated(postgres, "data_plane")
    run = check_direct(pgbouncer.url(database=database))
    run.fails("postgres.pooler-on-direct-url", Layer.FITNESS, f"{DATA}.direct_url", hint="the Postgres server itself")


@pytest.mark.parametrize("mode", ["session", "statement"])
def test_pooler_in_other_modes(postgres: Postgres, mode: str) -> None:
    from tests.testbed import pgbouncer_server

    with pgbouncer_server(postgres.address, pool_mode=mode) as pooler:
        run = check_direct(pooler.url(), stage="before-deploy")
    run.fails("postgres.pooler-on-direct-url", Layer.FITNESS, f"{DATA}.direct_url", hint="not the pooler")


def test_no_pooler_on_the_pooled_url_in_production(postgres: Postgres) -> None:
    run = pooled(postgres.url(), **{"global.env": "production"})
    run.warns("postgres.direct-on-pooled-url", Layer.FITNESS, f"{CONTROL}.pooled_url", hint="PgBouncer")


def test_no_pooler_on_the_pooled_url_in_development(postgres: Postgres) -> None:
    run = pooled(postgres.url(), **{"global.env": "development"})
    run.passes("postgres.direct-on-pooled-url", Layer.FITNESS, f"{CONTROL}.pooled_url")


def test_replica(replica: Postgres) -> None:
    finding = check_direct(replica.url(), stage="before-deploy").fails(
        "postgres.read-only", Layer.FITNESS, f"{DATA}.direct_url", hint="name the primary"
    )
    assert "replica" in finding.message


def test_read_only_by_setting() -> None:
    with postgres_server(default_transaction_read_only="on") as server:
        run = check_direct(server.url(), stage="before-deploy")
    run.fails("postgres.read-only", Layer.FITNESS, f"{DATA}.direct_url", hint="default_transaction_read_only")


def test_too_old(postgres: Postgres) -> None:
    # There is no image of a server that old: a proxy changes the version that a real one reports, digit for digit.
    with replacing(postgres.port, b"server_version\x0017.", b"server_version\x0010.") as port:
        url = postgres.url().replace(f":{postgres.port}/", f":{port}/")
        finding = check_direct(url, stage="before-deploy").fails(
            "postgres.too-old", Layer.FITNESS, f"{DATA}.direct_url", hint="Postgres 11"
        )
    assert "Postgres 10" in finding.message


def test_little_headroom() -> None:
    with postgres_server(max_connections=15) as server:
        finding = check_direct(server.url(), stage="before-deploy").warns(
            "postgres.headroom", Layer.FITNESS, f"{DATA}.direct_url", hint="max_connections"
        )
    assert "up to 20" in finding.message


def test_headroom_counts_what_every_process_opens(postgres: Postgres) -> None:
    database = postgres.database(options="CONNECTION LIMIT 60")
    url = postgres.url(database=database)
    keys = (f"{plane}.{way}_url" for plane in (CONTROL, DATA) for way in ("direct", "pooled"))
    run = run_check(f"{DATA}.direct", dict.fromkeys(keys, url), stage="before-deploy")
    assert "up to 90" in run["postgres.headroom"].message


def test_headroom_ignores_connections_of_a_running_mistle(postgres: Postgres) -> None:
    role = postgres.role("CONNECTION LIMIT 21")
    url = postgres.url(role, database=postgres.database(owner=role))
    with ExitStack() as stack:
        for _ in range(15):
            stack.enter_context(psycopg.connect(url))
        assert check_direct(url, stage="before-deploy")["postgres.headroom"].message.startswith("5 connections")
        live = {finding.id for finding in check_direct(url).findings}
    assert "postgres.headroom" not in live


def test_no_headroom(postgres: Postgres) -> None:
    role = postgres.role("CONNECTION LIMIT 1")
    database = postgres.database(owner=role)
    run = check_direct(postgres.url(role, database=database), stage="before-deploy")
    finding = run.fails("postgres.headroom", Layer.FITNESS, f"{DATA}.direct_url", hint="CONNECTION LIMIT")
    assert finding.message.startswith("0 connections")


def test_not_migrated_when_live(postgres: Postgres) -> None:
    run = check_direct(postgres.url())
    run.fails("postgres.not-migrated", Layer.FITNESS, f"{DATA}.direct_url", hint="run the plane's migrations")


def test_not_migrated_before_the_first_deployment(postgres: Postgres) -> None:
    run = check_direct(postgres.url(), stage="before-deploy")
    assert "first deployment" in run.passes("postgres.not-migrated", Layer.FITNESS, f"{DATA}.direct_url").message


def test_workflow_migrations_missing(postgres: Postgres) -> None:
    database = migrated(postgres, "data_plane")
    run_as_mistle(postgres, database, "DROP TABLE data_plane_openworkflow.openworkflow_migrations")
    finding = check_direct(postgres.url(database=database)).fails(
        "postgres.not-migrated", Layer.FITNESS, f"{DATA}.direct_url", hint="workflow"
    )
    assert "openworkflow_migrations" in finding.message


@pytest.mark.parametrize("stage", ["live", "before-deploy"])
def test_data_plane_schema_without_its_migrations(postgres: Postgres, stage: str) -> None:
    database = postgres.database()
    run_as_mistle(postgres, database, "CREATE SCHEMA data_plane")
    run = check_direct(postgres.url(database=database), stage=stage)
    run.fails("postgres.migrations-half-done", Layer.FITNESS, f"{DATA}.direct_url", hint="DROP SCHEMA")


def test_empty_control_plane_schema_may_exist(postgres: Postgres) -> None:
    database = postgres.database()
    run_as_mistle(postgres, database, "CREATE SCHEMA control_plane")
    run = check_direct(postgres.url(database=database), "before-deploy", CONTROL)
    run.passes("postgres.not-migrated", Layer.FITNESS, f"{CONTROL}.direct_url")


def test_control_plane_tables_without_their_migrations(postgres: Postgres) -> None:
    database = postgres.database()
    run_as_mistle(postgres, database, "CREATE SCHEMA control_plane; CREATE TABLE control_plane.x ()")
    run = check_direct(postgres.url(database=database), "before-deploy", CONTROL)
    run.fails("postgres.migrations-half-done", Layer.FITNESS, f"{CONTROL}.direct_url", hint="restore")


MIGRATING = (
    "ALTER TABLE data_plane.thing ADD COLUMN x text",
    "INSERT INTO data_plane_meta.schema_migrations VALUES (1)",
)


@pytest.mark.parametrize("statement", MIGRATING)
def test_migration_running(postgres: Postgres, statement: str) -> None:
    database = migrated(postgres, "data_plane")
    url = postgres.url(database=database)
    with psycopg.connect(url) as migration:
        migration.execute(statement.encode())
        check_direct(url).warns("postgres.migration-running", Layer.FITNESS, f"{DATA}.direct_url", hint="wait until")
        before = check_direct(url, stage="before-deploy")
        before.fails("postgres.migration-running", Layer.FITNESS, f"{DATA}.direct_url", hint="wait until")
    assert check_direct(url).status is Status.OK


def test_first_migration_running(postgres: Postgres) -> None:
    url = postgres.url(database=postgres.database())
    with psycopg.connect(url) as migration:
        migration.execute("CREATE SCHEMA data_plane; CREATE TABLE data_plane.thing (id bigint)")
        run = check_direct(url, stage="before-deploy")
    run.fails("postgres.migration-running", Layer.FITNESS, f"{DATA}.direct_url", hint="wait until")


@pytest.mark.parametrize(
    ("grant", "expected"),
    [
        ("", "lacks USAGE on schema control_plane"),
        ("GRANT USAGE ON SCHEMA control_plane TO {role}", "control_plane: other, thing"),
        (
            "GRANT USAGE ON SCHEMA control_plane TO {role};"
            "GRANT SELECT, INSERT, UPDATE, DELETE ON control_plane.thing TO {role}",
            "control_plane: other",
        ),
    ],
)
def test_pooled_role_without_rights(postgres: Postgres, pgbouncer: PgBouncer, grant: str, expected: str) -> None:
    database, role = migrated(postgres, "control_plane"), postgres.role()
    if grant:
        run_as_mistle(postgres, database, grant.format(role=role))
    finding = pooled(pgbouncer.url(role, database=database)).fails(
        "postgres.may-not-use-schema", Layer.ACCESS, f"{CONTROL}.pooled_url", hint="GRANT USAGE ON SCHEMA"
    )
    assert expected in finding.message


def test_a_pooled_role_with_exactly_these_rights_passes(postgres: Postgres, pgbouncer: PgBouncer) -> None:
    database, role = migrated(postgres, "control_plane"), postgres.role()
    run_as_mistle(
        postgres,
        database,
        f"GRANT USAGE ON SCHEMA control_plane TO {role};"
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA control_plane TO {role}",
    )
    assert pooled(pgbouncer.url(role, database=database)).status is Status.OK


CREDENTIALS = """
CREATE SCHEMA control_plane;
CREATE TABLE control_plane.organization_credential_keys (master_key_version bigint, ciphertext text);
"""


def encrypted(master_key: str, text: bytes = b"an organization's key") -> str:
    nonce = os.urandom(12)
    tagged = AESGCM(sha256(master_key.encode()).digest()).encrypt(nonce, text, None)
    parts = (nonce, tagged[:-16], tagged[-16:])
    return ".".join(["v1", *(urlsafe_b64encode(part).decode().rstrip("=") for part in parts)])


@pytest.fixture
def credentials(postgres: Postgres) -> str:
    """A database that holds credentials under version 1 ("first") and version 2 ("sécond")."""
    database = postgres.database()
    run_as_mistle(postgres, database, CREDENTIALS)
    for version, key in ((1, "first"), (2, "sécond")):
        row = f"INSERT INTO control_plane.organization_credential_keys VALUES ({version}, '{encrypted(key)}')"
        run_as_mistle(postgres, database, row)
    return database


def with_keys(**keys: str) -> Mapping[str, object]:
    return {f"{MASTER_KEYS}.{version.removeprefix('v')}": key for version, key in keys.items()}


def test_master_keys_decrypt_every_credential(pgbouncer: PgBouncer, credentials: str) -> None:
    run = pooled(pgbouncer.url(database=credentials), **with_keys(v1="first", v2="sécond", v3="unused"))
    assert run.status is Status.OK, run
    assert run["postgres.fitness"].fields == (f"{CONTROL}.pooled_url", f"{MASTER_KEYS}.1", f"{MASTER_KEYS}.2")


def test_master_key_missing(pgbouncer: PgBouncer, credentials: str) -> None:
    run = pooled(pgbouncer.url(database=credentials), **with_keys(v1="first"))
    run.fails("postgres.master-key-missing", Layer.FITNESS, f"{MASTER_KEYS}.2", hint=f"{MASTER_KEYS}.2")


def test_master_key_wrong(pgbouncer: PgBouncer, credentials: str) -> None:
    run = pooled(pgbouncer.url(database=credentials), **with_keys(v1="first", v2="changed"))
    finding = run.fails("postgres.master-key-wrong", Layer.FITNESS, f"{MASTER_KEYS}.2", hint=f"{MASTER_KEYS}.2")
    assert "changed" not in finding.message


def test_master_keys_are_not_tried_without_the_right_to_read(postgres: Postgres, credentials: str) -> None:
    role = postgres.role()
    run_as_mistle(postgres, credentials, f"GRANT USAGE ON SCHEMA control_plane TO {role}")
    run_as_mistle(postgres, credentials, f"GRANT INSERT ON ALL TABLES IN SCHEMA control_plane TO {role}")
    run = pooled(postgres.url(role, database=credentials), **with_keys(v1="wrong"))
    run.fails("postgres.may-not-use-schema", Layer.ACCESS, f"{CONTROL}.pooled_url", hint="GRANT USAGE")


@pytest.mark.parametrize("length", [200, 400, 3000, 60_000])
def test_credential_of_any_length_is_tried(postgres: Postgres, length: int) -> None:
    database = postgres.database()
    run_as_mistle(postgres, database, CREDENTIALS)
    for version in (1, 2**31):
        row = f"({version}, '{encrypted('first', bytes(length))}'), ({version}, '')"
        run_as_mistle(postgres, database, f"INSERT INTO control_plane.organization_credential_keys VALUES {row}")
    run_as_mistle(postgres, database, "DELETE FROM control_plane.organization_credential_keys WHERE ciphertext = ''")
    url = postgres.url(database=database)
    run = pooled(url, **with_keys(v1="first"))
    run.fails("postgres.master-key-missing", Layer.FITNESS, f"{MASTER_KEYS}.{2**31}", hint=f"{MASTER_KEYS}")
    run = pooled(url, **with_keys(v1="wrong", v2147483648="first"))
    run.fails("postgres.master-key-wrong", Layer.FITNESS, f"{MASTER_KEYS}.1", hint=f"{MASTER_KEYS}.1")


def test_many_versions_are_the_first_hundred(postgres: Postgres) -> None:
    database = postgres.database()
    run_as_mistle(postgres, database, CREDENTIALS)
    rows = "SELECT n, repeat('x', 5000) FROM generate_series(1, 2000) n"
    run_as_mistle(postgres, database, f"INSERT INTO control_plane.organization_credential_keys {rows}")
    run = pooled(postgres.url(database=database), **with_keys(v1="first"))
    missing = [finding for finding in run.findings if finding.id == "postgres.master-key-missing"]
    assert [each.fields for each in missing] == [(f"{MASTER_KEYS}.{version}",) for version in range(2, 101)]


@pytest.mark.parametrize("text", ["", "<v>7</v>", "1:2:3", "ü" * 1000, "\U0001f511" * 700, "a''b \\ c"])
def test_credential_of_another_format_does_not_blame_the_key(postgres: Postgres, text: str) -> None:
    database = postgres.database()
    run_as_mistle(postgres, database, CREDENTIALS)
    run_as_mistle(postgres, database, f"INSERT INTO control_plane.organization_credential_keys VALUES (1, '{text}')")
    assert pooled(postgres.url(database=database), **with_keys(v1="first"))["postgres.fitness"].status is Status.OK


def test_no_function_of_xml_is_needed(postgres: Postgres, credentials: str) -> None:
    # A Postgres that was built without libxml refuses them all.
    postgres.sql(
        """DO $$ DECLARE each regprocedure; BEGIN
        FOR each IN SELECT p.oid FROM pg_proc p WHERE proname ~ 'xml' AND proname !~ '^(xml_|texttoxml)' LOOP
            EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM public', each);
        END LOOP; END $$""",
        database=credentials,
    )
    role = postgres.role()
    grant = f"GRANT USAGE ON SCHEMA control_plane TO {role}; GRANT ALL ON ALL TABLES IN SCHEMA control_plane TO {role}"
    run_as_mistle(postgres, credentials, grant)
    run = pooled(postgres.url(role, database=credentials), **with_keys(v1="first", v2="sécond"))
    assert run["postgres.fitness"].fields == (f"{CONTROL}.pooled_url", f"{MASTER_KEYS}.1", f"{MASTER_KEYS}.2")
    assert str(run.facts["system"]).isdigit()


def test_data_plane_check_does_not_try_master_keys(pgbouncer: PgBouncer, credentials: str) -> None:
    assert check_pooled(pgbouncer.url(database=credentials)).status is Status.OK


def test_credential_of_a_later_format_does_not_blame_the_key(pgbouncer: PgBouncer, postgres: Postgres) -> None:
    database = postgres.database()
    run_as_mistle(postgres, database, CREDENTIALS)
    run_as_mistle(postgres, database, "INSERT INTO control_plane.organization_credential_keys VALUES (1, 'v2.x.y')")
    assert pooled(pgbouncer.url(database=database), **with_keys(v1="first")).status is Status.OK


def test_master_keys_are_not_tried_on_a_locked_table(postgres: Postgres, credentials: str) -> None:
    url = postgres.url(database=credentials)
    with psycopg.connect(url) as migration:
        migration.execute("LOCK TABLE control_plane.organization_credential_keys")
        run = pooled(url, **with_keys(v1="first"))
    skipped = [finding for finding in run.findings if finding.status is Status.SKIP]
    assert [finding.fields for finding in skipped] == [(f"{MASTER_KEYS}.1",)]
    assert "locked by another session" in skipped[0].message


def test_a_table_of_another_shape_is_left_alone(postgres: Postgres) -> None:
    database = postgres.database()
    run_as_mistle(postgres, database, "CREATE SCHEMA control_plane")
    run_as_mistle(postgres, database, "CREATE TABLE control_plane.organization_credential_keys (x int)")
    assert pooled(postgres.url(database=database), **with_keys(v1="first")).status is Status.OK


def test_functions_in_public_are_not_called(postgres: Postgres) -> None:
    database = postgres.database()
    hostile = "CREATE FUNCTION public.pg_is_in_recovery() RETURNS boolean LANGUAGE sql AS 'SELECT true'"
    postgres.sql(hostile, database=database)
    postgres.sql(f"ALTER DATABASE {database} SET search_path = public, pg_catalog")
    assert check_direct(postgres.url(database=database), stage="before-deploy").status is Status.OK
