"""Distinguishes a query that waits in a pooler from one that is lost because it, or its reply, is long."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

from checks.core.finding import Diagnosed
from checks.core.recorder import Recorder
from checks.net.network_errors import LARGE_PACKETS_LOST
from checks.postgres.session import LoginTimeout, PostgresSession, QueryTimeout, Refused

T = TypeVar("T")
Connect = Callable[[], AbstractAsyncContextManager[PostgresSession]]
_BYTES = 4000  # more than two packets of an Ethernet
_SMALL, _LARGE = "select 1", f"select repeat('x', {_BYTES}) /* {'x' * _BYTES} */"


async def reply_or_lost(reply: Awaitable[T], connect: Connect, record: Recorder) -> T:
    """The reply to a long query. Raises Diagnosed if small queries get replies, but long ones do not."""
    try:
        return await reply
    except QueryTimeout as error:
        is_small_answered = not error.slow and await _gets_reply(connect, _SMALL, record.share_of_time(0.3))
        if not is_small_answered or await _gets_reply(connect, _LARGE, record.share_of_time(0.3)) is not False:
            raise
        text = f"a small query gets a reply, but one with {_BYTES} bytes each way does not; the check's own got {error}"
        raise Diagnosed(LARGE_PACKETS_LOST.diagnosis(text, blames=("url",))) from error


async def _gets_reply(connect: Connect, statement: str, limit: float) -> bool | None:
    """Whether a query on a connection of its own gets a reply; None if there is no such connection."""
    try:
        async with connect() as connection:
            await connection.login(limit)
            await connection.query(statement, limit)
    except QueryTimeout:
        return False
    except (OSError, Diagnosed, Refused, LoginTimeout, ValueError):
        return None
    return True
