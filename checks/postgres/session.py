"""One login and one query, by libpq through LibpqProxy, each with a time limit.

psycopg's own connection is not used: it waits up to 11 s for the cancellation of a query on a frozen link, and does not
report how far a login came. This module calls libpq's non-blocking functions, which psycopg exports.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from checks.core.check import Diagnosed
from checks.core.machine import require_descriptor
from checks.postgres import causes
from checks.postgres.libpq_proxy import Connect, LibpqProxy, libpq_proxy
from checks.postgres.refusals import LIBPQ, SERVER, libpq_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from psycopg.pq.abc import PGconn, PGresult


_MAX_RESULTS = 16  # one for each statement of the message, and the row
_LIBPQ_KEYWORDS = frozenset({"application_name", "client_encoding", "replication", "options"})
_FIXED_KEYWORDS = {  # so that libpq uses nothing of the caller's environment and home directory
    "port": "5432",
    "passfile": "/dev/null/none",
    "sslmode": "disable",  # between libpq and the proxy; the proxy has TLS to the server
    "gssencmode": "disable",
    "require_auth": "none,password,md5,scram-sha-256",  # Kerberos would contact servers that nobody configured
    "client_encoding": "UTF8",  # as both of Mistle's clients ask for
}


class LoginRefused(Exception):
    """The login failed, with an error text of ``source``. ``needs_tls``: with TLS, the same login gets further."""

    needs_tls = False

    def __init__(self, text: str, source: str = LIBPQ) -> None:
        super().__init__(text)
        self.source = source


class LoginTimeout(Exception):
    """The login did not end in time. ``password_sent``: the server had asked for the password by then.

    ``is_postgres``: it had, or the server replies to a request for TLS, and at once: it is not a slow server.
    """

    is_postgres = False

    def __init__(self, limit: float, password_sent: bool) -> None:
        super().__init__(f"the login did not end within {limit:.1f} s")
        self.password_sent = password_sent


class NotPostgres(Diagnosed):
    """The reply is none that Postgres sends."""

    def __init__(self, message: str) -> None:
        super().__init__(causes.NOT_POSTGRES.diagnosis(message))


class QueryTimeout(Exception):
    """The login was accepted, and a query got no reply in time. ``is_slow``: the login's replies took long too."""

    is_slow = False


class QueryFailed(Exception):
    """The query failed, with an error text of ``source``."""

    def __init__(self, text: str, source: str = LIBPQ) -> None:
        super().__init__(text)
        self.source = source


class PostgresSession:
    """One connection of libpq through the proxy."""

    def __init__(self, pgconn: PGconn, proxy: LibpqProxy) -> None:
        self._pgconn, self._proxy = pgconn, proxy

    @property
    def backend_info(self) -> dict[str, int]:
        """The backend's pid and version, as reported at the login, and the local port of the connection."""
        pgconn = self._pgconn
        return {"key_pid": pgconn.backend_pid, "version": pgconn.server_version, "local_port": self._proxy.port}

    @property
    def replied_after(self) -> float:
        """The seconds until the server's first message, 0 if there was none."""
        return self._proxy.replied_after

    async def login(self, limit: float) -> None:
        """Complete the login within ``limit`` seconds. Raises LoginRefused, LoginTimeout, or the proxy's fault."""
        try:
            async with asyncio.timeout(limit):
                await _login(self._pgconn)
        except TimeoutError:
            raise LoginTimeout(limit, self._pgconn.used_password) from None
        except LoginRefused as error:
            raise self._proxy.fault or LoginRefused(*self._error_text(error)) from error

    async def query(self, statements: str, limit: float) -> str:
        """Send the statements in one message, and return the first column of the only row of the results.

        Raises QueryFailed, QueryTimeout after ``limit`` seconds, NotPostgres, or the proxy's fault.
        """
        from psycopg import OperationalError

        try:
            async with asyncio.timeout(limit):
                self._pgconn.nonblocking = 1
                self._pgconn.send_query(statements.encode())
                self._pgconn.set_single_row_mode()
                return _first_value(await _read_results(self._pgconn))
        except TimeoutError:
            raise QueryTimeout(f"no answer within {limit:.1f} s") from None
        except (QueryFailed, OperationalError) as error:  # the latter where libpq lost the connection
            raise self._proxy.fault or QueryFailed(*self._error_text(error)) from error

    def _error_text(self, error: Exception) -> tuple[str, str]:
        """The error text and its source: the server only where it sent an ErrorResponse."""
        server_error = self._proxy.server_error
        return (server_error, SERVER) if server_error else (libpq_text(str(error)), LIBPQ)


@asynccontextmanager
async def open_session(connect: Connect, parameters: Mapping[str, str], **login: str) -> AsyncIterator[PostgresSession]:
    """Start a login; ``connect`` connects the proxy to the server. ``login``: libpq's keywords user, password, dbname.

    ``parameters`` go to the server at start-up. The connection is always closed at the end, without waiting for the
    server.
    """
    from psycopg import pq

    async with libpq_proxy(connect) as proxy:
        pgconn = pq.PGconn.connect_start(conninfo(parameters, host=proxy.host, **login).encode())
        try:
            yield PostgresSession(pgconn, proxy)
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
        raise LoginRefused(pgconn.get_error_message())
    status = PollingStatus.WRITING
    while status is not PollingStatus.OK:
        await _wait_for_socket(pgconn.socket, write=status is PollingStatus.WRITING)
        status = PollingStatus(pgconn.connect_poll())
        if status is PollingStatus.FAILED:
            require_descriptor()
            raise LoginRefused(pgconn.get_error_message())


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
        _raise_failure(result)
        results.append(result)
        if len(results) > _MAX_RESULTS:
            raise NotPostgres("more rows came back than were asked for")
    return results


async def _next_result(pgconn: PGconn) -> PGresult | None:
    while pgconn.is_busy():
        await _wait_for_socket(pgconn.socket, write=False)
        pgconn.consume_input()
    return pgconn.get_result()


def _raise_failure(result: PGresult) -> None:
    from psycopg.pq import ExecStatus

    if result.status == ExecStatus.FATAL_ERROR:
        raise QueryFailed(result.get_error_message())


async def _wait_for_socket(socket: int, write: bool) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    add, remove = (loop.add_writer, loop.remove_writer) if write else (loop.add_reader, loop.remove_reader)
    add(socket, lambda: None if ready.done() else ready.set_result(None))
    try:
        await ready
    finally:
        remove(socket)
