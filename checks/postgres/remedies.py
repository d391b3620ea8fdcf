"""Statements that cure a finding, each as a command of psql: names are quoted for SQL, and then for the shell.

psql passes the text after ``-c`` to the server as it is: it replaces no :variable in it, and takes no backslash for a
command of its own, unless the text begins with one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from checks.core import remedy
from checks.core.finding import Cause
from checks.core.remedy import Remedies, Remedy

if TYPE_CHECKING:
    from checks.postgres import Postgres
    from checks.postgres.refusals import Refusal
    from checks.postgres.state import Plane, ServerState

_PLAIN = re.compile(r"\w[\w.-]*", re.ASCII)  # psql reads another text as the name of a database
_OWNER = "as the owner of {}, or as a superuser"
_SUPERUSER = "as a superuser"


def grant_create(check: Postgres, state: ServerState) -> Remedies:
    """CREATE on the database."""
    who = _OWNER.format(f"database {state.name}")
    return _psql(check, who, state.name, ("GRANT CREATE ON DATABASE {} TO {}", state.name, state.role))


def grant_create_in(check: Postgres, state: ServerState, schemas: Iterable[str]) -> Remedies:
    """CREATE on schemas."""
    statements = (("GRANT CREATE ON SCHEMA {} TO {}", schema, state.role) for schema in schemas)
    return _psql(check, _OWNER.format("the schema"), state.name, *statements)


def grant_use(check: Postgres, state: ServerState, plane: Plane, schema: str) -> Remedies:
    """The rights that Mistle needs in a schema, also on the tables that later migrations create there."""
    role, migrator = state.role, dict(check.migrators).get(plane.name, "")
    migrator = migrator or next((owner for table, owner in plane.not_owned if table.startswith(f"{schema}.")), "")
    later = (*_default_privileges(migrator, role, " IN SCHEMA {}", schema),) if migrator not in {"", role} else ()
    return _psql(
        check,
        _OWNER.format(f"schema {schema}"),
        state.name,
        ("GRANT USAGE ON SCHEMA {} TO {}", schema, role),
        ("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {} TO {}", schema, role),
        ("GRANT USAGE ON ALL SEQUENCES IN SCHEMA {} TO {}", schema, role),
        *later,
    )


def bridge(check: Postgres, state: ServerState, migrator: str) -> Remedies:
    """Rights on what the migrations' role will create."""
    usage = ("ALTER DEFAULT PRIVILEGES FOR ROLE {} GRANT USAGE ON SCHEMAS TO {}", migrator, state.role)
    who = f"as role {migrator}, or as a superuser"
    return _psql(check, who, state.name, *_default_privileges(migrator, state.role), usage)


def make_writable(check: Postgres, state: ServerState) -> Remedies:
    """Forget the setting wherever the catalogue has it: of the role, the database, or the role in the database."""
    setting = " RESET default_transaction_read_only"
    forms = {
        (True, True): ("ALTER ROLE {} IN DATABASE {}" + setting, state.role, state.name),
        (True, False): ("ALTER ROLE {}" + setting, state.role),
        (False, True): ("ALTER DATABASE {}" + setting, state.name),
        (False, False): ("ALTER ROLE ALL" + setting,),
    }
    # The superuser's own session may be read-only, by the very same setting.
    writable = ("SET default_transaction_read_only = off",)
    return tuple(
        remedy
        for scope in state.read_only_by
        for remedy in _psql(check, _SUPERUSER, state.name, writable, forms[scope], at_once=False)
    )


def raise_limits(check: Postgres, state: ServerState, needed: int) -> Remedies:
    """Each limit that leaves too few connections, raised by as many as are missing."""
    statements = {
        "role": ("ALTER ROLE {} CONNECTION LIMIT ", state.role),
        "database": ("ALTER DATABASE {} CONNECTION LIMIT ", state.name),
        "server": ("ALTER SYSTEM SET max_connections = ",),
    }
    return tuple(each for each in _raised(check, state, needed, statements))


def of_refusal(check: Postgres, refusal: Refusal, cause: Cause) -> Remedies:
    """The commands that admit the role to the database; none for a pooler's refusal: it has a list of its own."""
    name, template = check.use.dialect.database(check.database), check.database.startswith("template")
    if not refusal.routine or template:
        return ()
    owner = next((role for _, role in check.migrators if role), check.username)
    of_database = _OWNER.format(f"database {name}")
    statements: dict[tuple[str, str], tuple[str, tuple[str, ...]]] = {
        ("postgres.database-missing", "3D000"): (
            _SUPERUSER,
            ("CREATE DATABASE {} OWNER {} ENCODING 'UTF8' TEMPLATE template0", name, owner),
        ),
        ("postgres.may-not-connect", "42501"): (
            of_database,
            ("GRANT CONNECT ON DATABASE {} TO {}", name, check.username),
        ),
        ("postgres.may-not-connect", "55000"): (of_database, ("ALTER DATABASE {} ALLOW_CONNECTIONS true", name)),
    }
    who, statement = statements.get((cause.id, refusal.code), ("", ()))
    return _psql(check, who, "postgres", statement) if statement else ()


def _default_privileges(migrator: str, role: str, within: str = "", *schema: str) -> Iterator[tuple[str, ...]]:
    for rights, objects in (("SELECT, INSERT, UPDATE, DELETE", "TABLES"), ("USAGE", "SEQUENCES")):
        start = f"ALTER DEFAULT PRIVILEGES FOR ROLE {{}}{within} GRANT {rights} ON {objects} TO {{}}"
        yield (start, migrator, *schema, role)


def _raised(
    check: Postgres, state: ServerState, needed: int, statements: Mapping[str, tuple[str, ...]]
) -> Iterator[Remedy]:
    for scope, (limit, left) in state.limits.items():
        if left < needed and (limit := (state.max_connections or 0) if scope == "server" else limit):
            form, *names = statements[scope]
            who = f"{_SUPERUSER}; restart the server afterwards" if scope == "server" else _SUPERUSER
            yield from _psql(check, who, "postgres", (f"{form}{limit + needed - left}", *names))


def _psql(check: Postgres, who: str, database: str, *forms: tuple[str, ...], at_once: bool = True) -> Remedies:
    """One command. Each form has a ``{}`` for each name that follows it; ``at_once``: all are one transaction."""
    from psycopg import sql

    if not all(map(remedy.is_line, (database, *(name for _, *names in forms for name in names)))):
        return ()  # libpq would refuse some of these names
    made = [sql.SQL(form).format(*map(sql.Identifier, names)).as_string(None) for form, *names in forms]
    statements = ["; ".join(made)] if at_once else made
    words = (word for statement in statements for word in ("-c", statement))
    where = f"on {check.socket or f'{check.host}:{check.port}'}, {who}"
    return remedy.command("psql", where, "psql", "-d", _database(database), *words)


def _database(name: str) -> str:
    """A database for psql's ``-d``, which may also take its text for a URL, or for a list of settings."""
    from psycopg.conninfo import make_conninfo

    return name if _PLAIN.fullmatch(name) else make_conninfo(dbname=name)
