"""What a server's state means for Mistle: pure functions from the check and the state to diagnoses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from checks.core.check import Diagnosis, Status
from checks.core.text import foreign
from checks.postgres import causes, master_keys

if TYPE_CHECKING:
    from checks.postgres import Postgres
    from checks.postgres.inspection import Plane, ServerState


def may_create(_check: Postgres, state: ServerState) -> Iterator[Diagnosis]:
    """Migrations create schemas."""
    if not state.may_create:
        yield causes.MAY_NOT_CREATE.diagnosis(
            f"role {foreign(state.role)} lacks CREATE on database {foreign(state.name)}",
            hint=f"GRANT CREATE ON DATABASE {foreign(state.name)} TO {foreign(state.role)}, "
            "if {url} names the right database and role",
        )


def may_use(check: Postgres, state: ServerState) -> Iterator[Diagnosis]:
    """The services read and write the tables of the migrations; workflows those of their own schemas."""
    for plane in state.planes:
        for ending in check.use.schemas:
            yield from _missing_rights(state.role, plane, f"{plane.name}{ending}")


def _missing_rights(role: str, plane: Plane, schema: str) -> Iterator[Diagnosis]:
    unusable = plane.unusable.get(schema, ())
    if unusable == (schema,):
        yield causes.MAY_NOT_USE_SCHEMA.diagnosis(
            f"role {foreign(role)} lacks USAGE on schema {schema}", blames=(plane.name,)
        )
    elif unusable:
        shown, more = ", ".join(unusable[:3]), len(unusable) - 3
        rest = f" and {more} more" if more > 0 else ""
        message = f"role {foreign(role)} may not read and write in schema {schema}: {foreign(shown)}{rest}"
        yield causes.MAY_NOT_USE_SCHEMA.diagnosis(message, blames=(plane.name,))


def is_direct(_check: Postgres, state: ServerState) -> Iterator[Diagnosis]:
    """Migrations and workflows need a session of the server itself."""
    if state.pooled:
        yield causes.POOLER_ON_DIRECT_URL.diagnosis("a pooler answers: the session is not the server process's own")
    elif state.relayed:
        yield causes.RELAYED.diagnosis(
            f"the server sees port {state.client_port}, this end has port {state.local_port}"
        )


def is_pooled(check: Postgres, state: ServerState) -> Iterator[Diagnosis]:
    """Without a pooler, each process of Mistle holds ten connections to the server."""
    if not state.pooled:
        status = Status.WARN if check.production else Status.OK
        yield causes.DIRECT_ON_POOLED_URL.diagnosis("no pooler: the server itself answers", status=status)


def is_recent(_check: Postgres, state: ServerState) -> Iterator[Diagnosis]:
    """Mistle needs Postgres 11."""
    if state.version < 110_000:
        yield causes.TOO_OLD.diagnosis(f"the server is Postgres {state.version // 10_000}")


def is_writable(_check: Postgres, state: ServerState) -> Iterator[Diagnosis]:
    """Mistle writes."""
    if state.in_recovery:
        yield causes.READ_ONLY.diagnosis("the server is a replica or in recovery (pg_is_in_recovery)")
    elif state.read_only:
        yield causes.READ_ONLY.diagnosis(
            f"default_transaction_read_only is on for role {foreign(state.role)} or database {foreign(state.name)}"
        )


def has_headroom(check: Postgres, state: ServerState) -> Iterator[Diagnosis]:
    """Without a pooler, which shares connections, each process of Mistle opens ten."""
    own = state.own if check.deployed else 0  # sessions of a running Mistle do not count against it
    if state.pooled or state.left >= check.connections - own:
        return
    status = Status.FAIL if state.left <= 0 else Status.WARN
    yield causes.HEADROOM.diagnosis(
        f"{max(state.left, 0)} connections are left, and Mistle's processes open up to {check.connections}",
        status=status,
    )


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


def opens_credentials(check: Postgres, state: ServerState) -> Iterator[Diagnosis]:
    """A configured master key decrypts each stored credential."""
    if isinstance(state.ciphertexts, tuple):
        usable = [row for row in state.ciphertexts if row[0] not in check.unusable_master_keys]
        yield from master_keys.verify(dict(check.master_keys), usable)
