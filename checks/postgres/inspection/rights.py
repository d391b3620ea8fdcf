"""The role's rights, as rules: pure functions from the check and the state to diagnoses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from checks.core.finding import Diagnosis, Status
from checks.core.text import foreign
from checks.postgres import remedies
from checks.postgres.inspection import causes

if TYPE_CHECKING:
    from checks.postgres import Postgres
    from checks.postgres.state import Plane, ServerState


def may_create(check: Postgres, state: ServerState) -> Iterator[Diagnosis]:
    """Migrations create schemas, and tables in those that exist."""
    if state.may_create is False:
        yield causes.MAY_NOT_CREATE.diagnosis(
            f"role {foreign(state.role)} lacks CREATE on database {foreign(state.name)}",
            hint=f"GRANT CREATE ON DATABASE {foreign(state.name)} TO {foreign(state.role)}, "
            "if {url} names the right database and role",
            remedies=remedies.grant_create(check, state),
        )

    for plane in state.planes:
        if plane.closed:
            schemas = ", ".join(plane.closed)
            yield causes.MAY_NOT_CREATE.diagnosis(
                f"role {foreign(state.role)} lacks CREATE on schema {schemas}",
                hint=f"GRANT CREATE ON SCHEMA {schemas} TO {foreign(state.role)}, if {{url}} names the right role",
                blames=(plane.name,),
                remedies=remedies.grant_create_in(check, state, plane.closed),
            )


def owns(_check: Postgres, state: ServerState) -> Iterator[Diagnosis]:
    """A release that alters a table needs its owner."""
    for plane in state.planes:
        if plane.not_owned:
            (first, owner), more = plane.not_owned[0], len(plane.not_owned) - 1
            rest = f" and {more} more" if more else ""
            yield causes.NOT_OWNER.diagnosis(
                f"role {foreign(state.role)} does not own {foreign(first)}{rest}: role {foreign(owner)} does",
                hint=f"name role {foreign(owner)} in {{url}}, or REASSIGN OWNED BY {foreign(owner)} "
                f"TO {foreign(state.role)}",
                blames=(plane.name,),
            )


def sees_rows(check: Postgres, state: ServerState) -> Iterator[Diagnosis]:
    """Mistle defines no row-level security: where it is active, rows are missing without an error."""
    for plane in state.planes:
        used = [f"{plane.name}{ending}." for ending in check.use.schemas]
        for table, visible in plane.hidden:
            if table.startswith(tuple(used)):
                what = "some of its rows may be hidden" if visible else "no policy admits the role: all rows are hidden"
                yield causes.ROW_SECURITY.diagnosis(
                    f"row-level security of {foreign(table)} applies to role {foreign(state.role)}, and {what}",
                    blames=(plane.name,),
                    status=Status.WARN if visible else Status.FAIL,
                )


def is_bridged(check: Postgres, state: ServerState) -> Iterator[Diagnosis]:
    """Before the first migration: the services' role needs rights on what the migrations' role will create."""
    if "populated" in state.unknown:
        return
    for plane in state.planes:
        migrator = dict(check.migrators).get(plane.name, "")
        lacks = "" if migrator == state.role or plane.has_tables else _lacks(plane, state.bridges.get(migrator))
        if lacks:
            yield causes.ROLES_NOT_BRIDGED.diagnosis(
                f"role {foreign(migrator)} will own the tables of {plane.name}, and nothing gives role "
                f"{foreign(state.role)} {lacks}",
                hint=f"GRANT {foreign(migrator)} TO {foreign(state.role)}, or ALTER DEFAULT PRIVILEGES FOR ROLE "
                f"{foreign(migrator)} GRANT … ON TABLES, SEQUENCES and SCHEMAS TO {foreign(state.role)}, or name one "
                "role in both URLs ({url})",
                blames=(plane.name,),
                remedies=remedies.bridge(check, state, migrator),
            )


def _lacks(plane: Plane, usable: str | None) -> str:
    """What a role will lack; "" for nothing, or where its rights are not known."""
    by_object = {"nothing": "rights on them", "tables": "" if plane.exists else "USAGE on their schema"}
    return by_object.get(usable or "", "")


def may_use(check: Postgres, state: ServerState) -> Iterator[Diagnosis]:
    """The services read and write the tables of the migrations; workflows those of their own schemas."""
    for plane in state.planes:
        for ending in check.use.schemas:
            schema = f"{plane.name}{ending}"
            if lacking := _missing_rights(state.role, schema, plane.unusable.get(schema, ())):
                yield causes.MAY_NOT_USE_SCHEMA.diagnosis(
                    lacking, blames=(plane.name,), remedies=remedies.grant_use(check, state, plane, schema)
                )


def _missing_rights(role: str, schema: str, unusable: tuple[str, ...]) -> str:
    if not unusable:
        return ""
    if unusable == (schema,):
        return f"role {foreign(role)} lacks USAGE on schema {schema}"
    shown, more = ", ".join(unusable[:3]), len(unusable) - 3
    rest = f" and {more} more" if more > 0 else ""
    return f"role {foreign(role)} may not read and write in schema {schema}: {foreign(shown)}{rest}"
