"""The state of each plane's migrations, as a rule."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from checks.core.check import Diagnosis, Status
from checks.postgres.survey import causes

if TYPE_CHECKING:
    from checks.postgres import Postgres
    from checks.postgres.survey.state import Plane, ServerState


def is_migrated(check: Postgres, state: ServerState) -> Iterator[Diagnosis]:
    """The state of each plane's migrations; before the first deployment there are none."""
    for plane in state.planes:
        yield from _migrations(check, plane)


def _migrations(check: Postgres, plane: Plane) -> Iterator[Diagnosis]:
    if plane.migrating:
        pids = ", ".join(map(str, plane.migrating))
        status = Status.WARN if check.deployed else Status.FAIL
        message = f"another session holds locks as a migration of {plane.name} does (pid {pids})"
        yield causes.MIGRATION_RUNNING.diagnosis(message, blames=(plane.name,), status=status)
    elif plane.has_migrations and not plane.exists:
        message = f"{plane.name}_meta.schema_migrations exists, schema {plane.name} does not"
        yield causes.MIGRATIONS_HALF_DONE.diagnosis(message, blames=(plane.name,))
    elif _half_done(plane):
        message = f"schema {plane.name} exists, {plane.name}_meta.schema_migrations does not"
        yield causes.MIGRATIONS_HALF_DONE.diagnosis(message, blames=(plane.name,))
    elif not plane.has_migrations:
        yield _not_migrated(check, plane, f"there is no {plane.name}_meta.schema_migrations")
    elif not plane.has_workflow_migrations:
        yield _not_migrated(check, plane, f"there is no {plane.name}_openworkflow.openworkflow_migrations")


def _half_done(plane: Plane) -> bool:
    # The data plane's first migration is a plain CREATE SCHEMA; the control plane's schema may exist, empty.
    blocked = plane.has_tables or plane.name == "data_plane"
    return plane.exists and blocked and not plane.has_migrations


def _not_migrated(check: Postgres, plane: Plane, message: str) -> Diagnosis:
    if check.deployed:
        return causes.NOT_MIGRATED.diagnosis(message, blames=(plane.name,))
    return causes.NOT_MIGRATED.diagnosis(
        f"{message}: first deployment", blames=(plane.name,), hint="", status=Status.OK
    )
