"""Queries the state of a server in one message; if the server refuses that message, fact by fact."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from checks.core.text import foreign
from checks.postgres.inspection.facts import FACTS
from checks.postgres.inspection.parser import parse_json, parse_state
from checks.postgres.inspection.statements import Statements
from checks.postgres.session import NotPostgres, PostgresSession, QueryFailed, QueryTimeout
from checks.postgres.state import ServerState

_ESSENTIAL = "pid"
_MAX_SHOWN = 4  # facts


async def query_state(
    connection: PostgresSession, planes: tuple[str, ...], migrators: tuple[str, ...], limit: Callable[[], float]
) -> tuple[ServerState, str]:
    """The state, and which facts the server refused, as a text. ``limit`` gives the seconds for the next message.

    Raises QueryFailed, QueryTimeout and NotPostgres.
    """
    statements, refused = Statements(planes, migrators, 0.7 * limit()), ""
    try:
        try:
            result = _complete(parse_json(await connection.query(statements.together(), limit())))
        except QueryFailed as error:
            if not error.refusal.text.startswith("ERROR"):  # FATAL: the connection has ended
                raise
            result = await _query_each(connection, statements, limit, error)
            refused = _summary(result, error)
        return parse_state(result, planes, **connection.backend_info), refused
    except ValueError as error:
        raise NotPostgres("a query came back with another result than Postgres returns") from error


async def _query_each(
    connection: PostgresSession, statements: Statements, limit: Callable[[], float], failure: QueryFailed
) -> dict[str, Any]:
    """The facts that the server does not refuse. Raises ``failure`` where it refuses everything."""
    result, reset = {}, "rollback;\n"
    for name, statement in statements.each():
        try:
            result[name] = parse_json(await connection.query(reset + statement, limit()) or "null")
            reset = ""
        except (QueryFailed, QueryTimeout):
            if name == _ESSENTIAL:
                raise failure from None
            reset = "rollback;\n"
    if reset:
        await connection.execute("rollback", limit())
    return result


def _complete(result: Any) -> dict[str, Any]:
    if not isinstance(result, dict) or FACTS.keys() - result.keys():
        raise ValueError("not the result of the statements")
    return result


def _summary(result: dict[str, Any], failure: QueryFailed) -> str:
    names = [name for name in FACTS if name not in result]
    shown = ", ".join(names[:_MAX_SHOWN]) + (f" and {len(names) - _MAX_SHOWN} more" if names[_MAX_SHOWN:] else "")
    return f"not known: {shown}; {failure.refusal.source} reports: {foreign(str(failure))}" if names else ""
