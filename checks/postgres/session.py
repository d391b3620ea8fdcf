"""One login and one question, through libpq, with limits that hold.

psycopg's own connection waits up to 11 s for the cancellation of a query on a frozen link, and tells nothing of how far
a login came; so this drives libpq's non-blocking calls, which psycopg exports, itself.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from psycopg.pq.abc import PGconn, PGresult


_ENOUGH = 16  # results: the statements of one message, and one row
_OWN_PARAMETERS = frozenset({"application_name", "client_encoding", "replication", "options"})
_NOTHING_OF_THE_CALLER = {
    "passfile": "/dev/null/none",
    "gssencmode": "disable",
    "sslcertmode": "disable",
    "sslcrl": "/dev/null",
    "client_encoding": "UTF8",  # as both of Mistle's clients ask for
}


class LoginRefused(Exception):
    """The server's words at a refused login. ``wants_tls``: with TLS, the same login gets further."""

    def __init__(self, words: str, wants_tls: bool = False) -> None:
        super().__init__(words)
        self.wants_tls = wants_tls


class LoginTimeout(Exception):
    """No end of the login in time. ``password_sent``: the server had got so far as to ask for the password.

    ``speaks_postgres``: a server that is silent here answers a request for TLS.
    """

    speaks_postgres = False

    def __init__(self, limit: float, password_sent: bool) -> None:
        super().__init__(f"the login did not end within {limit:.1f} s")
        self.password_sent = password_sent


class NotPostgres(Exception):
    """The answer is none that Postgres gives."""


class QueryTimeout(Exception):
    """Logged in, and a query got no answer in time."""


class QueryFailed(Exception):
    """The server's words for a query, and their SQLSTATE."""

    def __init__(self, words: str, sqlstate: str) -> None:
        super().__init__(words)
        self.sqlstate = sqlstate


def conninfo(parameters: Mapping[str, str], **options: str | int) -> str:
    """libpq's words for ``options``, with the start-up ``parameters`` that it has no word for folded into `options`.

    Everything that libpq would look up in the caller's home directory is shut off.
    """
    from psycopg.conninfo import make_conninfo

    own = {name: value for name, value in parameters.items() if name in _OWN_PARAMETERS}
    folded = " ".join(
        f"-c {name}={_escape(value)}" for name, value in parameters.items() if name not in _OWN_PARAMETERS
    )
    if folded:
        own["options"] = f"{own.get('options', '')} {folded}".strip()
    return make_conninfo("", **(_NOTHING_OF_THE_CALLER | own | options))


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace(" ", "\\ ")


@contextmanager
def opened(conninfo: str) -> Iterator[PGconn]:
    """Begin a login. Whatever happens, the connection is closed at the end, without waiting for the server."""
    from psycopg import pq

    pgconn = pq.PGconn.connect_start(conninfo.encode())
    try:
        yield pgconn
    finally:
        pgconn.finish()


async def login(pgconn: PGconn, limit: float) -> None:
    """Go through the login that ``PGconn.connect_start`` began, within ``limit`` seconds."""
    from psycopg.pq import ConnStatus, PollingStatus

    if pgconn.status == ConnStatus.BAD:
        raise LoginRefused(pgconn.get_error_message())
    try:
        async with asyncio.timeout(limit):
            status = PollingStatus.WRITING
            while status is not PollingStatus.OK:
                await _ready(pgconn.socket, write=status is PollingStatus.WRITING)
                status = PollingStatus(pgconn.connect_poll())
                if status is PollingStatus.FAILED:
                    raise LoginRefused(pgconn.get_error_message())
    except TimeoutError:
        raise LoginTimeout(limit, pgconn.used_password) from None


async def ask(pgconn: PGconn, statements: str, limit: float) -> str:
    """Send the statements in one message; the first column of the only row that comes back."""
    from psycopg import OperationalError

    try:
        async with asyncio.timeout(limit):
            pgconn.nonblocking = 1
            pgconn.send_query(statements.encode())
            pgconn.set_single_row_mode()
            return _value(await _results(pgconn))
    except TimeoutError:
        raise QueryTimeout(f"no answer within {limit:.1f} s") from None
    except OperationalError as error:  # libpq lost the connection
        raise QueryFailed(str(error), "") from error


def _value(results: list[PGresult]) -> str:
    rows = [result for result in results if result.ntuples]
    if not rows:
        raise NotPostgres("a query came back without a row")
    return (rows[0].get_value(0, 0) or b"").decode(errors="replace")


async def _results(pgconn: PGconn) -> list[PGresult]:
    while pgconn.flush():
        await _ready(pgconn.socket, write=True)
    results: list[PGresult] = []
    while (result := await _result(pgconn)) is not None:
        _raise_failure(result)
        results.append(result)
        if len(results) > _ENOUGH:
            raise NotPostgres("more rows came back than were asked for")
    return results


async def _result(pgconn: PGconn) -> PGresult | None:
    while pgconn.is_busy():
        await _ready(pgconn.socket, write=False)
        pgconn.consume_input()
    return pgconn.get_result()


def _raise_failure(result: PGresult) -> None:
    from psycopg.pq import DiagnosticField, ExecStatus

    if result.status == ExecStatus.FATAL_ERROR:
        sqlstate = (result.error_field(DiagnosticField.SQLSTATE) or b"").decode()
        raise QueryFailed(result.get_error_message(), sqlstate)


async def _ready(socket: int, write: bool) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    watch, forget = (loop.add_writer, loop.remove_writer) if write else (loop.add_reader, loop.remove_reader)
    watch(socket, lambda: None if ready.done() else ready.set_result(None))
    try:
        await ready
    finally:
        forget(socket)
