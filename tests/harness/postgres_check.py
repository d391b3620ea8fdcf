"""The checks of Postgres URLs, with the names of their keys; and what the migrations of a plane make."""

from typing import Any

import psycopg

from tests.harness.run_check import CheckRun, run_check
from tests.testbed import Postgres

CONTROL, DATA = "postgres.control_plane", "postgres.data_plane"
DIRECT_KEY, POOLED_KEY = f"{CONTROL}.direct_url", f"{CONTROL}.pooled_url"
MIGRATED = """
CREATE SCHEMA {plane}; CREATE TABLE {plane}.thing (id bigint); CREATE TABLE {plane}.other (id bigint);
CREATE SCHEMA {plane}_meta; CREATE TABLE {plane}_meta.schema_migrations (id bigint, hash text, created_at bigint);
CREATE SCHEMA {plane}_openworkflow; CREATE TABLE {plane}_openworkflow.openworkflow_migrations (version bigint);
CREATE TABLE {plane}_openworkflow.workflow_runs (id text); CREATE TABLE {plane}_openworkflow.step_attempts (id text);
INSERT INTO {plane}_meta.schema_migrations VALUES (1);
INSERT INTO {plane}_openworkflow.openworkflow_migrations VALUES (4);
"""


def direct(url: str, **options: Any) -> CheckRun:
    """Before a deployment, when no schema has to be there."""
    return run_check(f"{CONTROL}.direct", {DIRECT_KEY: url}, **({"stage": "before-deploy"} | options))


def pooled(url: str, **options: Any) -> CheckRun:
    """Before a deployment, when no schema has to be there."""
    return run_check(f"{CONTROL}.pooled", {POOLED_KEY: url}, **({"stage": "before-deploy"} | options))


def check_direct(url: str, stage: str = "live", plane: str = DATA) -> CheckRun:
    return run_check(f"{plane}.direct", {f"{plane}.direct_url": url}, stage=stage)


def check_pooled(url: str, plane: str = DATA, **values: object) -> CheckRun:
    """With further settings."""
    return run_check(f"{plane}.pooled", {f"{plane}.pooled_url": url} | values)


def migrated(postgres: Postgres, *planes: str) -> str:
    """A database, owned by mistle, in which these planes are migrated."""
    name = postgres.database()
    for plane in planes:
        run_as_mistle(postgres, name, MIGRATED.format(plane=plane))
    return name


def run_as_mistle(postgres: Postgres, database: str, statements: str) -> None:
    with psycopg.connect(postgres.url(database=database), autocommit=True) as connection:
        connection.execute(statements.encode())
