"""One login and one question, through libpq and our own relay, with limits that hold.

psycopg's own connection waits up to 11 s for the cancellation of a query on a frozen link, and tells nothing of how far
a login came; so this drives libpq's non-blocking calls, which psycopg exports, itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from checks.core.check import Diagnosed
from checks.core.machine import require_descriptor
from checks.postgres import causes
from checks.postgres.libpq_proxy import Dial, Relay, relayed
from checks.postgres.refusals import LIBPQ, SERVER, of_libpq

if TYPE_CHECKING:
    from collections.abc import Mapping

    from psycopg.pq.abc import PGconn, PGresult


_ENOUGH = 16  # results: the statements of one message, and one row
_OWN_PARAMETERS = frozenset({"application_name", "client_encoding", "replication", "options"})
_NOTHING_OF_THE_CALLER = {
    "port": "5432",
    "passfile": "/dev/null/none",
    "sslmode": "disable",  # TLS is the relay's
    "gssencmode": "disable",
    "require_auth": "none,password,md5,scram-sha-256",  # Kerberos would ask servers that nobody configured
    "client_encoding": "UTF8",  # as both of Mistle's clients ask for
}


class LoginRefused(Exception):
    """The words at a refused login, and who says them. ``wants_tls``: with TLS, the same login gets further."""

    wants_tls = False

    def __init__(self, words: str, by: str = LIBPQ) -> None:
        super().__init__(words)
        self.by = by


class LoginTimeout(Exception):
    """No end of the login in time. ``password_sent``: the server had got so far as to ask for the password.

    ``speaks_postgres``: a server that is silent here answers a request for TLS.
    """

    speaks_postgres = False

    def __init__(self, limit: float, password_sent: bool) -> None:
        super().__init__(f"the login did not end within {limit:.1f} s")
        self.password_sent = password_sent


class NotPostgres(Diagnosed):
    """The answer is none that Postgres gives."""

    def __init__(self, words: str) -> None:
        super().__init__(causes.NOT_POSTGRES.diagnosis(words))


class QueryTimeout(Exception):
    """Logged in, and a query got no answer in time."""


class QueryFailed(Exception):
    """The words for a query that failed, and who says them."""

    def __init__(self, words: str, by: str = LIBPQ) -> None:
        super().__init__(words)
        self.by = by


class PostgresSession:
    """One connection of libpq's."""

    def __init__(self, pgconn: PGconn, relay: Relay) -> None:
        self._pgconn, self._relay = pgconn, relay

    @property
    def backend_info(self) -> dict[str, int]:
        """What the login told: the backend's pid and version, and this end's port."""
        pgconn = self._pgconn
        return {"key_pid": pgconn.backend_pid, "version": pgconn.server_version, "local_port": self._relay.port}

    async def login(self, limit: float) -> None:
        """Within ``limit`` seconds. Raises LoginRefused, LoginTimeout, and what the relay met."""
        try:
            async with asyncio.timeout(limit):
                await _login(self._pgconn)
        except TimeoutError:
            raise LoginTimeout(limit, self._pgconn.used_password) from None
        except LoginRefused as error:
            raise self._relay.fault or LoginRefused(*self._said(error)) from error

    async def ask(self, statements: str, limit: float) -> str:
        """Send the statements in one message; the first column of the only row that comes back.

        Raises QueryFailed, QueryTimeout, NotPostgres, and what the relay met.
        """
        from psycopg import OperationalError

        try:
            async with asyncio.timeout(limit):
                self._pgconn.nonblocking = 1
                self._pgconn.send_query(statements.encode())
                self._pgconn.set_single_row_mode()
                return _value(await _results(self._pgconn))
        except TimeoutError:
            raise QueryTimeout(f"no answer within {limit:.1f} s") from None
        except (QueryFailed, OperationalError) as error:  # the latter where libpq lost the connection
            raise self._relay.fault or QueryFailed(*self._said(error)) from error

    def _said(self, error: Exception) -> tuple[str, str]:
        """What is said of a failure, and who says it: only what came from the server is the server's."""
        return (self._relay.refusal, SERVER) if self._relay.refusal else (of_libpq(str(error)), LIBPQ)


@asynccontextmanager
async def opened(dial: Dial, parameters: Mapping[str, str], **login: str) -> AsyncIterator[PostgresSession]:
    """Begin a login, as ``login`` says in libpq's words, with start-up ``parameters``.

    Whatever happens, the connection is closed at the end, without waiting for the server.
    """
    from psycopg import pq

    async with relayed(dial) as relay:
        pgconn = pq.PGconn.connect_start(conninfo(parameters, host=relay.host, **login).encode())
        try:
            yield PostgresSession(pgconn, relay)
        finally:
            pgconn.finish()


def conninfo(parameters: Mapping[str, str], **login: str) -> str:
    """libpq's words, with the start-up ``parameters`` that it has no word for folded into `options`.

    Everything that libpq would look up in the caller's home directory is shut off.
    """
    from psycopg.conninfo import make_conninfo

    own = {name: value for name, value in parameters.items() if name in _OWN_PARAMETERS}
    folded = " ".join(
        f"-c {name}={_escape(value)}" for name, value in parameters.items() if name not in _OWN_PARAMETERS
    )
    if folded:
        own["options"] = f"{own.get('options', '')} {folded}".strip()
    return make_conninfo("", **(_NOTHING_OF_THE_CALLER | own | login))


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace(" ", "\\ ")


async def _login(pgconn: PGconn) -> None:
    from psycopg.pq import ConnStatus, PollingStatus

    if pgconn.status == ConnStatus.BAD:
        require_descriptor()
        raise LoginRefused(pgconn.get_error_message())
    status = PollingStatus.WRITING
    while status is not PollingStatus.OK:
        await _ready(pgconn.socket, write=status is PollingStatus.WRITING)
        status = PollingStatus(pgconn.connect_poll())
        if status is PollingStatus.FAILED:
            require_descriptor()
            raise LoginRefused(pgconn.get_error_message())


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
    from psycopg.pq import ExecStatus

    if result.status == ExecStatus.FATAL_ERROR:
        raise QueryFailed(result.get_error_message())


async def _ready(socket: int, write: bool) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    watch, forget = (loop.add_writer, loop.remove_writer) if write else (loop.add_reader, loop.remove_reader)
    watch(socket, lambda: None if ready.done() else ready.set_result(None))
    try:
        await ready
    finally:
        forget(socket)
