"""The state of each plane's migrations, as a rule."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from checks.core.finding import Diagnosis, Status
from checks.postgres.inspection import causes

if TYPE_CHECKING:
    from checks.postgres import Postgres
    from checks.postgres.state import Plane, ServerState


_LAST_WORKFLOW_MIGRATION = 4  # of OpenWorkflow 0.8.1
_NEEDED = {"recorded", "populated", "workflow_tables"}  # facts
_WORKFLOW_TABLES = 2  # workflow_runs and step_attempts
_KINDS = {"v": "a view", "m": "a materialized view", "f": "a foreign table"}


def is_migrated(check: Postgres, state: ServerState) -> Iterator[Diagnosis]:
    """The state of each plane's migrations; before the first deployment there are none."""
    if _NEEDED & {*state.unknown}:
        return
    for plane in state.planes:
        yield from _migrations(check, plane)


def _migrations(check: Postgres, plane: Plane) -> Iterator[Diagnosis]:
    if plane.migrating:
        pids = ", ".join(map(str, plane.migrating))
        status = Status.WARN if check.deployed else Status.FAIL
        message = f"another session holds locks as a migration of {plane.name} does (pid {pids})"
        yield causes.MIGRATION_RUNNING.diagnosis(message, blames=(plane.name,), status=status)
    elif broken := _broken(plane):
        yield causes.MIGRATIONS_HALF_DONE.diagnosis(broken, blames=(plane.name,))
    elif missing := _missing(plane):
        yield _not_migrated(check, plane, missing)


def _broken(plane: Plane) -> str:
    """What no migration repairs; "" if there is nothing."""
    migrations, workflow = plane.migrations, plane.workflow_migrations
    for each in (migrations, workflow):
        if each.kind and not each.is_table:
            return f"{each.name} is {_KINDS.get(each.kind, 'no table')}, not a table"
    if _has_migrations(plane) and not plane.exists:
        return f"{migrations.name} exists, schema {plane.name} does not"
    if _has_migrations(plane) and not plane.has_tables:
        return f"{migrations.name} records migrations, and schema {plane.name} has no table"
    # The data plane's first migration is a plain CREATE SCHEMA; the control plane's schema may exist, empty.
    if plane.exists and not _has_migrations(plane) and (plane.has_tables or plane.name == "data_plane"):
        return f"schema {plane.name} exists, {migrations.name} {'is empty' if migrations.kind else 'does not'}"
    if (workflow.content or 0) >= _LAST_WORKFLOW_MIGRATION and plane.workflow_tables < _WORKFLOW_TABLES:
        return f"{workflow.name} is complete, and workflow_runs or step_attempts does not exist"
    return ""


def _missing(plane: Plane) -> str:
    """Which migrations are still to run; "" if none is."""
    workflow = plane.workflow_migrations
    if not _has_migrations(plane):
        return f"{plane.migrations.name} is empty" if plane.migrations.kind else f"there is no {plane.migrations.name}"
    if not workflow.kind:
        return f"there is no {workflow.name}"
    if workflow.content is not None and workflow.content < _LAST_WORKFLOW_MIGRATION:
        ends = f"ends at version {workflow.content}" if workflow.content >= 0 else "is empty"
        return f"{workflow.name} {ends}; Mistle needs version {_LAST_WORKFLOW_MIGRATION}"
    return ""


def _has_migrations(plane: Plane) -> bool:
    """The table is made outside the migrations' transaction: an empty one is what a failed first run leaves."""
    return plane.migrations.is_table and plane.migrations.content != 0


def _not_migrated(check: Postgres, plane: Plane, message: str) -> Diagnosis:
    if check.deployed:
        return causes.NOT_MIGRATED.diagnosis(message, blames=(plane.name,))
    follows = "the migrations of this deployment follow" if plane.exists else "first deployment"
    return causes.NOT_MIGRATED.diagnosis(f"{message}: {follows}", blames=(plane.name,), hint="", status=Status.OK)
