"""Postgres, as Mistle's services use it: through the server itself and through a pooler."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import ClassVar

from checks.core.check import Diagnosed, Diagnosis, Layer
from checks.core.files import UnreadableFile
from checks.core.recorder import Recorder
from checks.core.roots import Trust
from checks.core.text import foreign
from checks.core.threads import in_thread
from checks.net.network_errors import RESET, SILENT
from checks.net.tcp import NetworkCheck, reach
from checks.net.tls import check_tls, first_bytes, speaks_tls
from checks.net.tls_errors import TLS_ON_PLAINTEXT, TlsOnPlaintext
from checks.postgres import causes, libpq_proxy, rules, session
from checks.postgres.dialects import NODE_POSTGRES, POSTGRES_JS, Dialect, Tls
from checks.postgres.inspection import ServerState, read, statements
from checks.postgres.session import NotPostgres, PostgresSession

Writer = asyncio.StreamWriter | asyncio.WriteTransport
Judge = Callable[["Postgres", ServerState], Iterator[Diagnosis]]
_WITHOUT_TLS = re.compile("no encryption|SSL off")  # from 14 on, and before
_SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"  # length 8, code 80877103: protocol.html#PROTOCOL-MESSAGE-FORMATS


@dataclass(frozen=True)
class Use:
    """What Mistle does through a URL: with which client, needing what."""

    name: str
    dialect: Dialect
    schemas: tuple[str, ...]  # of a plane, by the end of their names, in which tables are read and written
    access: tuple[Judge, ...]
    fitness: tuple[Judge, ...]


_NOT_TRIED = "master keys not tried: control_plane.organization_credential_keys is locked by another session"
DIRECT = Use(
    "migrations and workflows",
    POSTGRES_JS,
    schemas=("_meta", "_openworkflow"),
    access=(rules.may_create, rules.may_use),
    fitness=(rules.is_recent, rules.is_direct, rules.is_writable, rules.has_headroom, rules.is_migrated),
)
POOLED = Use(
    "the services",
    NODE_POSTGRES,
    schemas=("",),
    access=(rules.may_use,),
    fitness=(rules.is_recent, rules.is_pooled, rules.is_writable, rules.has_headroom, rules.opens_credentials),
)


class TlsRefused(Exception):
    """The server answers that it has no TLS."""


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
        *("checks.postgres.session", "checks.postgres.libpq_proxy", "checks.postgres.inspection"),
    )

    use: Use
    host: str
    port: int
    username: str
    password: str = field(repr=False)
    database: str  # as it stands in the URL: the clients decode it differently
    query: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    planes: tuple[str, ...]
    connections: int
    production: bool = False
    deployed: bool = True
    master_keys: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    unusable_master_keys: tuple[str, ...] = ()  # versions that are configured, and wrong in themselves

    @property
    def target(self) -> str:
        """host:port/database."""
        return f"{self.host}:{self.port}/{self.use.dialect.database(self.database)}"

    @cached_property
    def tls(self) -> Tls:
        """What the URL's words mean to the client that reads them."""
        return self.use.dialect.tls(dict(self.query))

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The tls rung is there when the client would speak TLS."""
        tls = (Layer.TLS,) if self.tls.spoken else ()
        return (Layer.DNS, Layer.CONNECT, *tls, Layer.AUTH, Layer.ACCESS, Layer.FITNESS)

    async def run(self, record: Recorder) -> None:
        """Log in as the client would, ask everything at once, judge the answer."""
        address = (await self._reach(record), self.port)
        tls = await self._secure(record, address)
        async with self._session(record, address, tls) as connection:
            with record.layer(Layer.AUTH, f"login accepted, as {self.username}", proves=("url",)):
                await self._login(record, connection, address)
            with record.layer(
                Layer.ACCESS, f"a query answers; rights for {self.use.name}", proves=("url", *self.planes)
            ):
                found = await self._ask(record, connection)
                self._judge(record, found, self.use.access)
            record.facts |= _facts(found)
        with record.layer(
            Layer.FITNESS, f"right for {self.use.name}", proves=("url", *self.planes, *_tried(self, found))
        ):
            self._judge(record, found, self.use.fitness)
        if self.master_keys and isinstance(found.ciphertexts, str):
            record.skip(Layer.FITNESS, _NOT_TRIED, tuple(f"master_keys.{version}" for version, _ in self.master_keys))

    async def _reach(self, record: Recorder) -> str:
        if ":" in self.host and not self.use.dialect.ipv6:
            with record.layer(Layer.DNS, f"{self.use.dialect.client} can read the host", proves=("url",)):
                record.note(causes.IPV6_LITERAL.diagnosis(f"{self.use.dialect.client} cannot read [{self.host}]"))
        return await reach(record, self.host, self.port)

    async def _secure(self, record: Recorder, address: tuple[str, int]) -> bool:
        if not self.tls.spoken:
            return False
        if self.tls.falls_back and await _answer(address, record) != b"S":
            record.skip(Layer.TLS, "the server has no TLS, and sslmode=prefer goes on without", ("url",))
            return False
        name = self.use.dialect.certificate_name(self.host)
        limit = record.share_of_time(0.3)

        async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if self.tls.roots:
                await in_thread(partial(self._roots.load, 0.8 * limit))
            try:
                await _ask_for_tls(reader, writer)
            except (NotPostgres, EOFError, ConnectionError):
                await _refuse_tls(address, limit)
                raise

        await check_tls(record, name, address, verify=self.tls.verified, upgrade=ask, trust=self._trust(record))
        return True

    @cached_property
    def _roots(self) -> Trust:
        """What sslrootcert names."""
        return Trust(only=self.tls.roots)

    def _trust(self, record: Recorder) -> Trust:
        return self._roots if self.tls.roots else record.settings.trust

    def _session(
        self, record: Recorder, address: tuple[str, int], tls: bool
    ) -> AbstractAsyncContextManager[PostgresSession]:
        trust, name = self._trust(record), self.use.dialect.certificate_name(self.host)

        async def dial() -> libpq_proxy.Streams:
            context = (trust.verified if self.tls.verified else trust.unverified) if tls else None
            return await libpq_proxy.dial(address, _ask_for_tls, context, name.rstrip("."))

        return session.opened(
            dial,
            self.use.dialect.parameters(dict(self.query)),
            user=self.username,
            password=self.password,
            dbname=self.use.dialect.database(self.database),
        )

    async def _login(self, record: Recorder, connection: PostgresSession, address: tuple[str, int]) -> None:
        try:
            await connection.login(record.share_of_time(0.7))
        except session.LoginRefused as error:
            error.wants_tls = bool(_WITHOUT_TLS.search(str(error))) and await self._is_admitted_with_tls(
                record, address
            )
            if _is_foreign(error) and not self.tls.spoken:
                await _refuse_tls(address, record.share_of_time(0.8))
            raise
        except session.LoginTimeout as error:
            error.speaks_postgres = error.password_sent or bool(await _answer(address, record))
            raise

    async def _is_admitted_with_tls(self, record: Recorder, address: tuple[str, int]) -> bool:
        """Whether the server has a line for this user that asks for TLS, and not none at all."""
        if await _answer(address, record) != b"S":
            return False
        async with self._session(record, address, tls=True) as connection:
            try:
                await connection.login(record.share_of_time(0.7))
            except session.LoginRefused as error:
                return causes.by_words(str(error), error.by, causes.LOGIN_REFUSED).cause is not causes.NO_HBA_ENTRY
            except session.LoginTimeout:
                return False
            except (OSError, Diagnosed):  # it asked for TLS, or for a password
                return True
        return True

    async def _ask(self, record: Recorder, connection: PostgresSession) -> ServerState:
        limit = record.share_of_time(0.8)
        answer = await connection.ask(statements(self.planes, 0.7 * limit), limit)
        try:
            return read(answer, self.planes, **connection.backend_info)
        except ValueError as error:
            raise NotPostgres("a query came back with another answer than Postgres gives") from error

    def _judge(self, record: Recorder, found: ServerState, judges: tuple[Judge, ...]) -> None:
        for each in judges:
            for diagnosis in each(self, found):
                record.note(diagnosis)

    def diagnose(self, error: Exception) -> Diagnosis | None:
        """libpq's and the server's words, then the network's errors."""
        match error:
            case session.LoginTimeout(speaks_postgres=True):
                return causes.POOLER_BACKEND_DOWN.diagnosis(f"the port speaks Postgres, but {error}")
            case session.LoginTimeout():
                return SILENT.diagnosis(f"connected, then {error}", blames=self.address)
            case session.QueryTimeout():
                return causes.POOL_EXHAUSTED.diagnosis(f"the login was accepted, then a query got {error}")
            case session.LoginRefused(wants_tls=True):
                return causes.TLS_REQUIRED.diagnosis(f"{error.by} says: {foreign(str(error))}")
            case session.LoginRefused():
                return causes.by_words(str(error), error.by, causes.LOGIN_REFUSED)
            case session.QueryFailed():
                return causes.by_words(str(error), error.by, causes.QUERY_FAILED)
            case TlsRefused():
                return causes.TLS_REFUSED.diagnosis(f"{self.use.dialect.client} asks for TLS, and {error}")
            case TlsOnPlaintext():
                hint = "name in {url} the port on which Postgres itself listens, not that of a TLS proxy"
                return TLS_ON_PLAINTEXT.diagnosis(str(error), hint=hint, blames=self.address)
            case UnreadableFile():
                return causes.ROOTS_UNREADABLE.diagnosis(f"sslrootcert: the file {foreign(str(error))}")
        return super().diagnose(error)


async def _ask_for_tls(reader: asyncio.StreamReader, writer: Writer) -> None:
    writer.write(_SSL_REQUEST)
    answer = await reader.readexactly(1)
    if answer == b"N":
        raise TlsRefused("the server answers that it has none")
    if answer != b"S":
        raise NotPostgres("the answer to a request for TLS is not Postgres'")


async def _refuse_tls(address: tuple[str, int], limit: float) -> None:
    if await speaks_tls(address, limit):
        raise TlsOnPlaintext("TLS is spoken from the first byte on that port")


async def _answer(address: tuple[str, int], record: Recorder) -> bytes:
    """What the server answers when it is asked for TLS: S or N, and nothing when it is not Postgres."""
    answer = await first_bytes(address, _SSL_REQUEST, record.share_of_time(0.6))
    return answer if answer in {b"S", b"N"} else b""


def _is_foreign(error: session.LoginRefused) -> bool:
    """Whether the words say that it is not Postgres who spoke, or that nobody did."""
    return causes.by_words(str(error), error.by, causes.LOGIN_REFUSED).cause in {causes.NOT_POSTGRES, RESET}


def _facts(found: ServerState) -> dict[str, object]:
    return {
        "system": found.system,
        "database": found.database,
        "database_name": found.name,
        "started": found.started,
        "in_recovery": found.in_recovery,
        "version": found.version,
        "pooled": found.pooled,
        "relayed": found.relayed,
    }


def _tried(check: Postgres, found: ServerState) -> tuple[str, ...]:
    used = found.ciphertexts if isinstance(found.ciphertexts, tuple) else ()
    return tuple(f"master_keys.{version}" for version, _ in used if version in dict(check.master_keys))
