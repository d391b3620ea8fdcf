"""Postgres, as Mistle's services use it: through the server itself and through a pooler."""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import ClassVar

from checks.core.check import Cause, Diagnosed, Diagnosis, Layer
from checks.core.files import UnreadableFile
from checks.core.recorder import SLOW, Recorder
from checks.core.roots import Trust
from checks.core.text import foreign
from checks.core.threads import in_thread
from checks.net.network_errors import RESET, SILENT
from checks.net.tcp import NetworkCheck, reach
from checks.net.tls import check_tls
from checks.net.tls_errors import TLS_ON_PLAINTEXT, TlsOnPlaintext
from checks.postgres import causes, connections, session
from checks.postgres.dialects import Tls
from checks.postgres.inspection import ServerState, read, statements
from checks.postgres.refusals import diagnosis_of
from checks.postgres.session import NotPostgres, PostgresSession
from checks.postgres.tls_request import TlsRefused, raise_if_tls_port, reply_to_request, request_tls
from checks.postgres.uses import Rule, Use

_WITHOUT_TLS = re.compile("no encryption|SSL off")  # Postgres 14 and newer; older ones
_NOT_TRIED = "master keys not tried: control_plane.organization_credential_keys is locked by another session"


@dataclass(frozen=True, kw_only=True)
class Postgres(NetworkCheck):
    """Proves that Mistle can log in, work and migrate: TLS as its own client reads the URL, rights, state, room.

    Writes nothing: one connection, one read-only transaction that is rolled back.
    Needs CONNECT; CREATE on the database for the direct URL, USAGE and DML on the plane's schema for the pooled one;
    SELECT on control_plane.organization_credential_keys where master keys are to be tried.
    """

    kind = "postgres"
    causes = causes.CAUSES
    imports: ClassVar[tuple[str, ...]] = ("psycopg",)
    reply_readers: ClassVar[tuple[str, ...]] = (
        *("psycopg", "psycopg_binary", "psycopg_c"),
        *(
            "checks.postgres.session",
            "checks.postgres.connections",
            "checks.postgres.libpq_proxy",
            "checks.postgres.inspection",
        ),
    )

    use: Use
    host: str
    port: int
    username: str
    password: str = field(repr=False)
    database: str  # as written in the URL: the clients decode it differently
    query: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    planes: tuple[str, ...]
    connections: int
    production: bool = False
    deployed: bool = True
    master_keys: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    unusable_master_keys: tuple[str, ...] = ()  # versions that are configured with an invalid key

    @property
    def target(self) -> str:
        return f"{self.host}:{self.port}/{self.use.dialect.database(self.database)}"

    @cached_property
    def tls(self) -> Tls:
        """The TLS settings that the client reads in the URL."""
        return self.use.dialect.tls(dict(self.query))

    @property
    def layers(self) -> tuple[Layer, ...]:
        tls = (Layer.TLS,) if self.tls.enabled else ()
        return (Layer.DNS, Layer.CONNECT, *tls, Layer.AUTH, Layer.ACCESS, Layer.FITNESS)

    async def run(self, record: Recorder) -> None:
        """Log in as the client does, query the server's state once, and apply the rules to it."""
        address = (await self._reach(record), self.port)
        tls = await self._check_tls(record, address)
        async with self._open_session(record, address, tls) as connection:
            with record.layer(Layer.AUTH, f"login accepted, as {self.username}", proves=("url",)):
                await self._login(record, connection, address)
            with record.layer(
                Layer.ACCESS, f"a query answers; rights for {self.use.name}", proves=("url", *self.planes)
            ):
                state = await self._query_state(record, connection)
                self._apply(self.use.access, state, record)
            record.facts |= state.facts()
        with record.layer(
            Layer.FITNESS, f"right for {self.use.name}", proves=("url", *self.planes, *self._tried_keys(state))
        ):
            self._apply(self.use.fitness, state, record)
        if self.master_keys and isinstance(state.ciphertexts, str):
            record.skip(Layer.FITNESS, _NOT_TRIED, tuple(f"master_keys.{version}" for version, _ in self.master_keys))

    async def _reach(self, record: Recorder) -> str:
        if ":" in self.host and not self.use.dialect.ipv6:
            with record.layer(Layer.DNS, f"{self.use.dialect.client} can read the host", proves=("url",)):
                record.note(causes.IPV6_LITERAL.diagnosis(f"{self.use.dialect.client} cannot read [{self.host}]"))
        return await reach(record, self.host, self.port)

    async def _check_tls(self, record: Recorder, address: tuple[str, int]) -> bool:
        """The tls layer, on a connection of its own. Returns whether the session is to use TLS."""
        if not self.tls.enabled:
            return False
        if self.tls.falls_back and await reply_to_request(address, record.share_of_time(0.6)) != b"S":
            record.skip(Layer.TLS, "the server has no TLS, and sslmode=prefer goes on without", ("url",))
            return False
        name = self.use.dialect.certificate_name(self.host)
        limit = record.share_of_time(0.3)

        async def upgrade(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if self.tls.roots:
                await in_thread(partial(self._roots.load, 0.8 * limit))
            try:
                await request_tls(reader, writer)
            except (NotPostgres, EOFError, ConnectionError):
                await raise_if_tls_port(address, limit)
                raise

        await check_tls(record, name, address, verify=self.tls.verified, upgrade=upgrade, trust=self._trust(record))
        return True

    @cached_property
    def _roots(self) -> Trust:
        return Trust(only=self.tls.roots)

    def _trust(self, record: Recorder) -> Trust:
        return self._roots if self.tls.roots else record.settings.trust

    def _open_session(
        self, record: Recorder, address: tuple[str, int], tls: bool
    ) -> AbstractAsyncContextManager[PostgresSession]:
        trust, name = self._trust(record), self.use.dialect.certificate_name(self.host)

        async def connect() -> connections.Streams:
            context = (trust.verified if self.tls.verified else trust.unverified) if tls else None
            return await connections.connect_to_server(address, request_tls, context, name.rstrip("."))

        return session.open_session(
            connect,
            self.use.dialect.parameters(dict(self.query)),
            user=self.username,
            password=self.password,
            dbname=self.use.dialect.database(self.database),
        )

    async def _login(self, record: Recorder, connection: PostgresSession, address: tuple[str, int]) -> None:
        """Log in; after a failure, find out by further connections what the server and the port expect."""
        try:
            await connection.login(record.share_of_time(0.7))
        except session.LoginRefused as error:
            if _WITHOUT_TLS.search(str(error)):
                error.needs_tls = await self._is_admitted_with_tls(record, address)
            if not self.tls.enabled and _cause_of(error) in {causes.NOT_POSTGRES, RESET}:
                await raise_if_tls_port(address, record.share_of_time(0.8))
            raise
        except session.LoginTimeout as error:
            started = time.perf_counter()
            is_postgres = bool(await reply_to_request(address, record.share_of_time(0.6)))
            if pace := connection.replied_after or (time.perf_counter() - started if is_postgres else 0.0):
                record.replied(pace)
            error.is_postgres = (error.password_sent or is_postgres) and pace < SLOW
            raise

    async def _is_admitted_with_tls(self, record: Recorder, address: tuple[str, int]) -> bool:
        """Whether pg_hba.conf has a line for this user that requires TLS, and not none at all."""
        if await reply_to_request(address, record.share_of_time(0.6)) != b"S":
            return False
        async with self._open_session(record, address, tls=True) as connection:
            try:
                await connection.login(record.share_of_time(0.7))
            except session.LoginRefused as error:
                return _cause_of(error) is not causes.NO_HBA_ENTRY
            except session.LoginTimeout:
                return False
            except (OSError, Diagnosed):  # pg_hba.conf admitted it: the handshake or the password exchange failed
                return True
        return True

    async def _query_state(self, record: Recorder, connection: PostgresSession) -> ServerState:
        limit = record.share_of_time(0.8)
        record.replied(connection.replied_after)
        try:
            answer = await connection.query(statements(self.planes, 0.7 * limit), limit)
        except session.QueryTimeout as error:
            error.is_slow = connection.replied_after >= SLOW
            raise
        try:
            return read(answer, self.planes, **connection.backend_info)
        except ValueError as error:
            raise NotPostgres("a query came back with another answer than Postgres gives") from error

    def _apply(self, rules: tuple[Rule, ...], state: ServerState, record: Recorder) -> None:
        for rule in rules:
            for diagnosis in rule(self, state):
                record.note(diagnosis)

    def _tried_keys(self, state: ServerState) -> tuple[str, ...]:
        used = state.ciphertexts if isinstance(state.ciphertexts, tuple) else ()
        return tuple(f"master_keys.{version}" for version, _ in used if version in dict(self.master_keys))

    def diagnose(self, error: Exception) -> Diagnosis | None:
        """Map the error texts of libpq and the server first; everything else is a network error."""
        match error:
            case session.LoginTimeout(is_postgres=True):
                return causes.POOLER_BACKEND_DOWN.diagnosis(f"the port speaks Postgres, but {error}")
            case session.LoginTimeout():
                return SILENT.diagnosis(f"connected, then {error}", blames=self.address)
            case session.QueryTimeout(is_slow=True):
                return SILENT.diagnosis(f"the login was accepted, then a query got {error}", blames=self.address)
            case session.QueryTimeout():
                return causes.POOL_EXHAUSTED.diagnosis(f"the login was accepted, then a query got {error}")
            case session.LoginRefused(needs_tls=True):
                return causes.TLS_REQUIRED.diagnosis(f"{error.source} says: {foreign(str(error))}")
            case session.LoginRefused():
                return diagnosis_of(str(error), error.source, causes.LOGIN_REFUSED)
            case session.QueryFailed():
                return diagnosis_of(str(error), error.source, causes.QUERY_FAILED)
            case TlsRefused():
                return causes.TLS_REFUSED.diagnosis(f"{self.use.dialect.client} asks for TLS, and {error}")
            case TlsOnPlaintext():
                hint = "name in {url} the port on which Postgres itself listens, not that of a TLS proxy"
                return TLS_ON_PLAINTEXT.diagnosis(str(error), hint=hint, blames=self.address)
            case UnreadableFile():
                return causes.ROOTS_UNREADABLE.diagnosis(f"sslrootcert: the file {foreign(str(error))}")
        return super().diagnose(error)


def _cause_of(error: session.LoginRefused) -> Cause:
    return diagnosis_of(str(error), error.source, causes.LOGIN_REFUSED).cause
