"""What Mistle does through a Postgres URL: migrations and workflows through the direct one, services the pooled one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from checks.core.finding import Diagnosis
from checks.postgres.dialects import NODE_POSTGRES, POSTGRES_JS, Dialect
from checks.postgres.inspection import fitness, migrations, rights
from checks.postgres.state import ServerState

if TYPE_CHECKING:
    from checks.postgres import Postgres

Rule = Callable[["Postgres", ServerState], Iterator[Diagnosis]]


@dataclass(frozen=True)
class Use:
    """Which client reads the URL, and what it needs: the rules of the access layer and of the fitness layer."""

    name: str
    dialect: Dialect
    schemas: tuple[str, ...]  # ends of the names of a plane's schemas: their tables are read and written
    in_transactions: bool  # through a pooler
    longest_statement: int  # in milliseconds, that a time-out must not end
    access: tuple[Rule, ...]
    fitness: tuple[Rule, ...]


DIRECT = Use(
    "migrations and workflows",
    POSTGRES_JS,
    schemas=("_meta", "_openworkflow"),
    in_transactions=False,  # a pooler is wrong in any mode
    longest_statement=30_000,
    access=(rights.may_create, rights.may_use, rights.sees_rows),
    fitness=(
        fitness.is_recent,
        fitness.is_direct,
        fitness.is_writable,
        fitness.is_utf8,
        fitness.has_time,
        fitness.has_headroom,
        fitness.takes_ddl,
        rights.owns,
        migrations.is_migrated,
    ),
)
POOLED = Use(
    "the services",
    NODE_POSTGRES,
    schemas=("",),
    in_transactions=True,
    longest_statement=5_000,
    access=(rights.may_use, rights.sees_rows, rights.is_bridged),
    fitness=(
        fitness.is_recent,
        fitness.is_pooled,
        fitness.is_writable,
        fitness.is_utf8,
        fitness.has_time,
        fitness.has_headroom,
        fitness.opens_credentials,
    ),
)
