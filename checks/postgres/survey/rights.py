"""The role's rights, as rules: pure functions from the check and the state to diagnoses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from checks.core.check import Diagnosis
from checks.core.text import foreign
from checks.postgres.survey import causes

if TYPE_CHECKING:
    from checks.postgres import Postgres
    from checks.postgres.survey.state import Plane, ServerState


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
