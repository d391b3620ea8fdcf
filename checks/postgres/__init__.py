"""Postgres, as Mistle's services use it: through the server itself and through a pooler."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import ClassVar

from checks.core.files import UnreadableFile
from checks.core.finding import Cause, Diagnosed, Diagnosis, Layer
from checks.core.recorder import Recorder
from checks.core.roots import Trust
from checks.core.text import foreign
from checks.net import tcp
from checks.net.network_errors import RESET, SILENT
from checks.net.tcp import NetworkCheck
from checks.net.tls_errors import TLS_ON_PLAINTEXT, TlsOnPlaintext
from checks.postgres import causes, connections, network_layers, remedies, session, several_hosts
from checks.postgres.connections import ServerAddress
from checks.postgres.dialects import Tls
from checks.postgres.inspection import causes as inspection_causes
from checks.postgres.inspection.addresses import compare_addresses
from checks.postgres.inspection.large_messages import reply_or_lost
from checks.postgres.inspection.query import query_state
from checks.postgres.refusals import diagnosis_of, hints
from checks.postgres.session import PostgresSession
from checks.postgres.state import ServerState
from checks.postgres.tls_request import ALPN, TlsRefused, raise_if_tls_port, reply_to_request, request_tls
from checks.postgres.uses import Rule, Use

_NOT_TRIED = "master keys not tried: control_plane.organization_credential_keys is locked by another session"


@dataclass(frozen=True, kw_only=True)
class Postgres(NetworkCheck):
    """Proves that Mistle can log in, work and migrate: TLS as its own client reads the URL, rights, state, room.

    Writes nothing: one connection, read-only transactions that are rolled back.
    Needs CONNECT; CREATE on the database for the direct URL, USAGE and DML on the plane's schema for the pooled one;
    SELECT on control_plane.organization_credential_keys where master keys are to be tried.

    Tried with Postgres 15, 16, 17 and 18, PgBouncer 1.18 and 1.24, and HAProxy 3.0.
    """

    kind = "postgres"
    causes = (*causes.CAUSES, *inspection_causes.CAUSES, tcp.FAR)
    imports: ClassVar[tuple[str, ...]] = ("psycopg",)
    reply_readers: ClassVar[tuple[str, ...]] = (
        *("psycopg", "psycopg_binary", "psycopg_c"),
        *(
            "checks.postgres.session",
            "checks.postgres.connections",
            "checks.postgres.libpq_proxy",
            "checks.postgres.refusals.error_response",
            "checks.postgres.inspection.parser",
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
    others: tuple[tuple[str, int], ...] = ()  # further hosts, and their ports, that the client tries in turn
    migrators: tuple[tuple[str, str], ...] = ()  # by plane, the role of the other URL, which runs the migrations
    production: bool = False
    deployed: bool = True
    master_keys: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    unusable_master_keys: tuple[str, ...] = ()  # versions that are configured with an invalid key

    @property
    def login(self) -> tuple[str, str] | None:
        return self.username, self.password

    @property
    def target(self) -> str:
        return f"{self.host}:{self.port}/{self.use.dialect.database(self.database)}"

    @property
    def socket(self) -> str:
        """The path of the Unix socket; "" if the URL names none."""
        return f"{self.host}/.s.PGSQL.{self.port}" if self.host.startswith("/") else ""

    @cached_property
    def tls(self) -> Tls:
        """The TLS settings that the client reads in the URL."""
        return self.use.dialect.tls(dict(self.query))

    @property
    def layers(self) -> tuple[Layer, ...]:
        dns = () if self.socket and self.use.dialect.sockets else (Layer.DNS,)
        tls = (Layer.TLS,) if self.tls.enabled or network_layers.files_of(self) else ()
        return (*dns, Layer.CONNECT, *tls, Layer.AUTH, Layer.ACCESS, Layer.FITNESS)

    async def run(self, record: Recorder) -> None:
        """Log in as the client does, query the server's state once, and apply the rules to it."""
        if self.others:
            await several_hosts.check_in_turn(self, record)
            return
        address = await network_layers.reach_server(self, record)
        tls = await network_layers.check_tls_layer(self, record, address)
        async with self.open_session(record, address, tls) as connection:
            with record.layer(Layer.AUTH, f"login accepted, as {self.username}", proves=("url",)):
                await self._login(record, connection, address)
            with record.layer(
                Layer.ACCESS, f"a query gets a reply; rights for {self.use.name}", proves=("url", *self.planes)
            ):
                limit = partial(record.share_of_time, 0.8)
                migrators = tuple(dict.fromkeys(role for _, role in self.migrators))
                reply = query_state(connection, self.planes, migrators, limit)
                state, refused = await reply_or_lost(reply, partial(self.open_session, record, address, tls), record)
                if self.use.in_transactions and state.pooled:
                    await self._begin(record, connection)
                self._apply(self.use.access, state, record)
            record.facts |= state.facts()
        with record.layer(
            Layer.FITNESS, f"right for {self.use.name}", proves=("url", *self.planes, *self._tried_keys(state))
        ):
            self._apply(self.use.fitness, state, record)
            await compare_addresses(self, record, address, state, tls)
            tcp.note_if_far(record)
        if refused:
            record.skip(Layer.FITNESS, refused)
        if self.master_keys and isinstance(state.ciphertexts, str):
            record.skip(Layer.FITNESS, _NOT_TRIED, tuple(f"master_keys.{version}" for version, _ in self.master_keys))

    def trust(self, record: Recorder) -> Trust:
        """The certificates that the client trusts, and those that it sends, at this URL."""
        tls, trust = self.tls, record.settings.trust
        changes = {"only": tls.roots, "own": tls.own, "any_host": tls.any_name, "alpn": ALPN if tls.direct else ()}
        made: dict[str, Trust] = self.__dict__
        return made.setdefault("_trust", trust.variant(**changes) if tls.needs_own_context else trust)

    def open_session(
        self, record: Recorder, address: ServerAddress, tls: bool
    ) -> AbstractAsyncContextManager[PostgresSession]:
        trust, name = self.trust(record), self.use.dialect.certificate_name(self.host)

        async def connect() -> connections.Streams:
            context = (trust.verified if self.tls.verified else trust.unverified) if tls else None
            request = None if self.tls.direct else request_tls
            return await connections.connect_to_server(address, request, context, name.rstrip("."))

        return session.open_session(
            connect,
            self.use.dialect.parameters(dict(self.query)),
            uses_tls=tls,
            user=self.username,
            password=self.password,
            dbname=self.use.dialect.database(self.database),
        )

    async def _login(self, record: Recorder, connection: PostgresSession, address: ServerAddress) -> None:
        """Log in; after a failure, find out by further connections what the server and the port expect."""
        try:
            await connection.login(record.share_of_time(0.7))
        except session.LoginRefused as error:
            if not connection.uses_tls:
                await self._try_with_tls(record, error, address)
            raise
        except session.LoginTimeout as error:
            error.is_postgres = error.password_sent or bool(await reply_to_request(address, record.share_of_time(0.6)))
            raise

    async def _try_with_tls(self, record: Recorder, error: session.LoginRefused, address: ServerAddress) -> None:
        cause = _cause_of(error)
        if cause is causes.NO_HBA_ENTRY:
            error.needs_tls = await self._is_admitted_with_tls(record, address)
        if cause in {causes.NOT_POSTGRES, RESET}:
            await raise_if_tls_port(address, record.share_of_time(0.8))

    async def _is_admitted_with_tls(self, record: Recorder, address: ServerAddress) -> bool:
        """Whether pg_hba.conf has a line for this user that requires TLS, and not none at all."""
        if await reply_to_request(address, record.share_of_time(0.6)) != b"S":
            return False
        async with self.open_session(record, address, tls=True) as connection:
            try:
                await connection.login(record.share_of_time(0.7))
            except session.LoginRefused as error:
                return _cause_of(error) is not causes.NO_HBA_ENTRY
            except session.LoginTimeout:
                return False
            except (OSError, Diagnosed):  # pg_hba.conf admitted it: the handshake or the password exchange failed
                return True
        return True

    async def _begin(self, record: Recorder, connection: PostgresSession) -> None:
        """A transaction over several messages, as Mistle's: a pooler in statement mode refuses it."""
        for statement in ("begin read only", "rollback"):
            await connection.execute(statement, record.share_of_time(0.8))

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
            case session.LoginTimeout(slow=True) | session.QueryTimeout(slow=True):
                return causes.SLOW_LINK.diagnosis(f"connected, then {error}, and each reply takes long")
            case session.LoginTimeout(is_postgres=True):
                return causes.POOLER_BACKEND_DOWN.diagnosis(f"the port speaks Postgres, but {error}")
            case session.LoginTimeout():
                return SILENT.diagnosis(f"connected, then {error}", blames=self.address)
            case session.QueryTimeout():
                return causes.POOL_EXHAUSTED.diagnosis(f"the login was accepted, then a query got {error}")
            case session.LoginRefused(needs_tls=True):
                return causes.TLS_REQUIRED.diagnosis(f"{error.refusal.source} reports: {foreign(str(error))}")
            case session.LoginRefused() if _cause_of(error) is causes.PASSWORD_REJECTED and not self.password:
                return causes.PASSWORD_REJECTED.diagnosis("the URL has no password", hint=hints.NO_PASSWORD)
            case session.LoginRefused():
                refused = diagnosis_of(error.refusal, causes.LOGIN_REFUSED)
                return replace(refused, remedies=remedies.of_refusal(self, error.refusal, refused.cause))
            case session.QueryFailed():
                return diagnosis_of(error.refusal, causes.QUERY_FAILED)
            case TlsRefused():
                refused = causes.TLS_REFUSED.diagnosis(f"{self.use.dialect.client} asks for TLS, and {error}")
                return network_layers.about_sslmode(self, refused)
            case TlsOnPlaintext():
                hint = "name in {url} the port on which Postgres itself listens, not that of a TLS proxy"
                return TLS_ON_PLAINTEXT.diagnosis(str(error), hint=hint, blames=self.address)
            case UnreadableFile():
                return causes.ROOTS_UNREADABLE.diagnosis(f"sslrootcert: the file {foreign(str(error))}")
        return network_layers.about_sslmode(self, super().diagnose(error))


def _cause_of(error: session.LoginRefused) -> Cause:
    return diagnosis_of(error.refusal, causes.LOGIN_REFUSED).cause
