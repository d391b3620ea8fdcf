"""One login and one query, by libpq through LibpqProxy, each with a time limit.

psycopg's own connection is not used: it waits up to 11 s for the cancellation of a query on a frozen link, and does not
report how far a login came. This module calls libpq's non-blocking functions, which psycopg exports.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from checks.core.finding import Diagnosed
from checks.core.machine import require_descriptor
from checks.postgres import causes
from checks.postgres.connections import local_address
from checks.postgres.libpq_proxy import Connect, LibpqProxy, libpq_proxy
from checks.postgres.refusals import Refusal, libpq_text

if TYPE_CHECKING:
    from psycopg.pq.abc import PGconn, PGresult


_MAX_RESULTS = 16  # one for each statement of the message, and the row
_LIBPQ_KEYWORDS = frozenset({"application_name", "client_encoding", "replication", "options"})
_FIXED_KEYWORDS = {  # so that libpq uses nothing of the caller's environment and home directory
    "passfile": "/dev/null/none",
    "sslmode": "disable",  # between libpq and the proxy; the proxy has TLS to the server
    "gssencmode": "disable",
    "require_auth": "none,password,md5,scram-sha-256",  # Kerberos would contact servers that nobody configured
    "client_encoding": "UTF8",  # as both of Mistle's clients ask for
}


class Refused(Exception):
    """The server, or libpq, refused something."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.text)
        self.refusal = refusal


class LoginRefused(Refused):
    """The login failed. ``needs_tls``: with TLS, the same login gets further."""

    needs_tls = False


class LoginTimeout(Exception):
    """The login did not end in time. ``password_sent``: the server had asked for the password by then.

    ``is_postgres``: it had, or the server replies to a request for TLS. ``slow``: it may still have replied.
    """

    is_postgres = False

    def __init__(self, limit: float, password_sent: bool, slow: bool) -> None:
        super().__init__(f"the login did not end within {limit:.1f} s")
        self.password_sent, self.slow = password_sent, slow


class NotPostgres(Diagnosed):
    """The reply is none that Postgres sends."""

    def __init__(self, message: str) -> None:
        super().__init__(causes.NOT_POSTGRES.diagnosis(message))


class QueryTimeout(Exception):
    """The login was accepted, and a query got no reply in time. ``slow``: it may still have come."""

    def __init__(self, limit: float, slow: bool) -> None:
        super().__init__(f"no reply within {limit:.1f} s")
        self.slow = slow


class QueryFailed(Refused):
    """The query failed."""


class PostgresSession:
    """One connection of libpq through the proxy."""

    def __init__(self, pgconn: PGconn, proxy: LibpqProxy, uses_tls: bool) -> None:
        self._pgconn, self._proxy, self.uses_tls = pgconn, proxy, uses_tls

    @property
    def backend_info(self) -> dict[str, int]:
        """The backend's pid and version, as reported at the login, and the local port of the connection."""
        pgconn = self._pgconn
        return {"key_pid": pgconn.backend_pid, "version": pgconn.server_version, "local_port": self._proxy.port}

    async def login(self, limit: float) -> None:
        """Complete the login within ``limit`` seconds. Raises LoginRefused, LoginTimeout, or the proxy's fault."""
        try:
            async with asyncio.timeout(limit):
                await _login(self._pgconn)
        except TimeoutError:
            raise LoginTimeout(limit, self._pgconn.used_password, self._proxy.is_slow) from None
        except LoginRefused as error:
            raise self._proxy.fault or LoginRefused(self._refusal(error)) from error

    async def query(self, statements: str, limit: float) -> str:
        """Send the statements in one message, and return the first column of the only row of the results.

        Raises as ``execute`` does.
        """
        return _first_value(await self.execute(statements, limit))

    async def execute(self, statements: str, limit: float) -> list[PGresult]:
        """Send the statements in one message, and return their results.

        Raises QueryFailed, QueryTimeout after ``limit`` seconds, NotPostgres, or the proxy's fault.
        """
        from psycopg import OperationalError

        try:
            async with asyncio.timeout(limit):
                self._pgconn.nonblocking = 1
                self._pgconn.send_query(statements.encode())
                self._pgconn.set_single_row_mode()
                return await _read_results(self._pgconn)
        except TimeoutError:
            raise QueryTimeout(limit, self._proxy.is_slow) from None
        except (QueryFailed, OperationalError) as error:  # the latter where libpq lost the connection
            raise self._proxy.fault or QueryFailed(self._refusal(error)) from error

    def _refusal(self, error: Exception) -> Refusal:
        """The server's ErrorResponse if it sent one, otherwise libpq's error."""
        return self._proxy.server_error or Refusal(libpq_text(str(error)), requests=tuple(self._proxy.requests))


@asynccontextmanager
async def open_session(
    connect: Connect, parameters: Mapping[str, str], *, uses_tls: bool, **login: str
) -> AsyncIterator[PostgresSession]:
    """Start a login; ``connect`` connects the proxy to the server. ``login``: libpq's keywords user, password, dbname.

    ``parameters`` go to the server at start-up. The connection is always closed at the end, without waiting for the
    server.
    """
    from psycopg import pq

    async with libpq_proxy(connect) as proxy:
        host, port = proxy.address
        pgconn = pq.PGconn.connect_start(conninfo(parameters, hostaddr=host, port=str(port), **login).encode())
        try:
            if pgconn.status != pq.ConnStatus.BAD:
                proxy.libpq_address = local_address(pgconn.socket)
            yield PostgresSession(pgconn, proxy, uses_tls)
        finally:
            pgconn.finish()


def conninfo(parameters: Mapping[str, str], **login: str) -> str:
    """A connection string for libpq; start-up ``parameters`` that are no keyword of libpq go into `options`."""
    from psycopg.conninfo import make_conninfo

    keywords = {name: value for name, value in parameters.items() if name in _LIBPQ_KEYWORDS}
    options = " ".join(
        f"-c {name}={_escape(value)}" for name, value in parameters.items() if name not in _LIBPQ_KEYWORDS
    )
    if options:
        keywords["options"] = f"{keywords.get('options', '')} {options}".strip()
    return make_conninfo("", **(_FIXED_KEYWORDS | keywords | login))


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace(" ", "\\ ")


async def _login(pgconn: PGconn) -> None:
    from psycopg.pq import ConnStatus, PollingStatus

    if pgconn.status == ConnStatus.BAD:
        require_descriptor()
        raise LoginRefused(Refusal(pgconn.get_error_message()))
    status = PollingStatus.WRITING
    while status is not PollingStatus.OK:
        await _wait_for_socket(pgconn.socket, write=status is PollingStatus.WRITING)
        status = PollingStatus(pgconn.connect_poll())
        if status is PollingStatus.FAILED:
            require_descriptor()
            raise LoginRefused(Refusal(pgconn.get_error_message()))


def _first_value(results: list[PGresult]) -> str:
    rows = [result for result in results if result.ntuples]
    if not rows:
        raise NotPostgres("a query came back without a row")
    return (rows[0].get_value(0, 0) or b"").decode(errors="replace")


async def _read_results(pgconn: PGconn) -> list[PGresult]:
    while pgconn.flush():
        await _wait_for_socket(pgconn.socket, write=True)
    results: list[PGresult] = []
    while (result := await _next_result(pgconn)) is not None:
        results.append(result)
        if len(results) > _MAX_RESULTS:
            raise NotPostgres("more rows came back than were asked for")
    for result in results:  # when all are read, libpq can send the next message
        _raise_failure(result)
    return results


async def _next_result(pgconn: PGconn) -> PGresult | None:
    while pgconn.is_busy():
        await _wait_for_socket(pgconn.socket, write=False)
        pgconn.consume_input()
    return pgconn.get_result()


def _raise_failure(result: PGresult) -> None:
    from psycopg.pq import ExecStatus

    if result.status == ExecStatus.FATAL_ERROR:
        raise QueryFailed(Refusal(result.get_error_message()))


async def _wait_for_socket(socket: int, write: bool) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    add, remove = (loop.add_writer, loop.remove_writer) if write else (loop.add_reader, loop.remove_reader)
    add(socket, lambda: None if ready.done() else ready.set_result(None))
    try:
        await ready
    finally:
        remove(socket)
