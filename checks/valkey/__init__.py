"""Valkey, as Mistle's gateway uses it: one standalone server, leases under a key prefix."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from checks.core.finding import Cause, Diagnosed, Diagnosis, Layer
from checks.core.recorder import Recorder
from checks.core.text import foreign
from checks.net import tcp
from checks.net.network_errors import RESET, SILENT
from checks.net.tcp import NetworkCheck, reach
from checks.net.tls import PlaintextProbe, check_tls, first_bytes, uses_tls
from checks.valkey import causes, remedies
from checks.valkey.addresses import compare_addresses
from checks.valkey.commands import SENTINEL_MODE, CommandRefused, ask_permissions, is_sentinel, run_commands

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from checks.valkey.commands import CommandReplies

_PING = PlaintextProbe(b"PING\r\n", (b"+", b"-"))
_VALKEYS = (b"+PONG", b"-NOAUTH", b"-NOPERM", b"-DENIED", b"-LOADING", b"-BUSY", b"-MASTERDOWN")  # replies to PING


@dataclass(frozen=True, kw_only=True)
class Valkey(NetworkCheck):
    """Proves that leases can be kept: the login, every command that Mistle runs under its key prefix, no eviction.

    Writes two keys under `<key_prefix>:mistle-preflight:<random>`, removes them in the same pipeline, and lets the
    server expire what a broken connection might leave. With --read-only it asks `ACL DRYRUN` instead.
    Needs what Mistle needs: GET SET DEL ZADD ZREM ZREMRANGEBYSCORE ZCARD EVAL on the prefix; INFO if allowed.
    One connection, one pipeline; one more at each of up to three addresses, if the name has several.

    Tried with Valkey 8 and Valkey 9, Redis 7 and Redis 8.
    """

    kind = "valkey"
    causes = (*causes.CAUSES, tcp.FAR)
    imports: ClassVar[tuple[str, ...]] = ("redis.asyncio", "checks.valkey.connections")
    reply_readers: ClassVar[tuple[str, ...]] = ("redis", "checks.valkey.commands")

    host: str
    port: int
    tls: bool
    username: str
    password: str = field(repr=False)
    database: int
    key_prefix: str

    @property
    def target(self) -> str:
        return f"{self.host}:{self.port}/{self.database} {self.key_prefix}:*"

    @property
    def layers(self) -> tuple[Layer, ...]:
        tls = (Layer.TLS,) if self.tls else ()
        return (Layer.DNS, Layer.CONNECT, *tls, Layer.AUTH, Layer.ACCESS, Layer.FITNESS)

    async def run(self, record: Recorder) -> None:
        """Log in, run the commands, and compare INFO with what Mistle needs."""
        address = (await reach(record, self.host, self.port, protocol=None if self.tls else _PING), self.port)
        if self.tls:

            async def proof() -> bool:
                reply = await first_bytes(address, _PING.request, record.share_of_time(0.5), minimum=5)
                return reply.startswith(_VALKEYS)

            # node-redis sends no name
            await check_tls(record, self.host, address, plaintext=_PING, proof=proof, sends_name=False)
        with record.layer(Layer.AUTH, "login accepted", proves=("url",)):
            replies = await self._send_commands(record, address)
            replies.raise_login_error()
        with record.layer(
            Layer.ACCESS, f"may run Mistle's commands under {self.key_prefix}:", proves=("url", "key_prefix")
        ):
            replies.raise_refusal()
            if replies.unproven:
                record.skip(Layer.ACCESS, replies.unproven, ("key_prefix",))
        with record.layer(Layer.FITNESS, "a primary, standalone, keeps every key", proves=("url",)):
            self._check_info(record, replies.info)
            await compare_addresses(self, record, replies.info or {})
            tcp.note_if_far(record)

    async def _send_commands(self, record: Recorder, address: tuple[str, int]) -> CommandReplies:
        from redis.exceptions import AuthenticationError, ResponseError
        from redis.exceptions import ConnectionError as RedisConnectionError
        from redis.exceptions import TimeoutError as RedisTimeoutError

        send = ask_permissions if record.settings.read_only else run_commands
        try:
            async with self.client(record, record.share_of_time(0.6)) as client:
                return await send(client, self.key_prefix, self.username or "default")
        except AuthenticationError as error:
            if causes.is_from_server(error) and await self._is_disabled(record, record.share_of_time(0.8)):
                raise CommandRefused("AUTH", error, causes.USER_DISABLED) from error
            raise
        except ResponseError as error:
            if "unknown command" in str(error) and await self._is_sentinel(record, record.share_of_time(0.8)):
                raise Diagnosed(causes.SENTINEL.diagnosis(SENTINEL_MODE)) from error
            raise
        except (RedisConnectionError, RedisTimeoutError) as error:
            if _has_no_reply(error) and (diagnosis := await self._diagnose_no_reply(record, address)):
                raise Diagnosed(diagnosis) from error
            raise

    async def _diagnose_no_reply(self, record: Recorder, address: tuple[str, int]) -> Diagnosis | None:
        """On other connections, find out what closes the connection or sends nothing that redis-py reads as a reply."""
        if not self.tls and await uses_tls(address, record.share_of_time(0.6)):
            return causes.TLS_REQUIRED.diagnosis(
                "the server closes a connection without TLS, and speaks TLS on that port"
            )
        started = time.monotonic()
        received = await first_bytes(
            address, _PING.request, record.share_of_time(0.5), tls=self.host if self.tls else ""
        )
        if received.startswith(_VALKEYS):
            record.replied(started)
        if received.startswith(b"-DENIED"):
            return causes.PROTECTED_MODE.diagnosis("the server reports protected mode")
        return None if _PING.matches(received) else causes.NOT_VALKEY.diagnosis("the reply to PING is not Valkey's")

    def client(self, record: Recorder, limit: float, address: str = "", **changes: object) -> Redis:
        """redis-py's client, with the login and the TLS of the URL; ``address`` is one of the host's."""
        from redis.asyncio import Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        from checks.valkey.connections import pool

        options: dict[str, Any] = {
            "host": self.host.rstrip("."),
            "port": self.port,
            "db": self.database,
            "username": self.username or None,
            "password": self.password or None,
            "protocol": 2,  # node-redis' default: AUTH, not HELLO
            "driver_info": None,
            "retry": Retry(NoBackoff(), 0),
            "socket_timeout": limit,
            "socket_connect_timeout": limit,
        }
        options |= changes
        context = record.settings.trust.verified if self.tls else None
        return Redis.from_pool(pool(options, context, record.replied, address))

    async def _is_sentinel(self, record: Recorder, limit: float) -> bool:
        """A Sentinel refuses SELECT, with which a connection to another database than 0 begins."""
        from redis.exceptions import RedisError

        try:
            async with self.client(record, limit, db=0) as client:
                call: Any = client.execute_command
                return is_sentinel(await call("INFO"))
        except (RedisError, OSError):
            return False

    async def _is_disabled(self, record: Recorder, limit: float) -> bool:
        """Whether the user is switched off, as ACL GETUSER reports where it needs no login.

        The reply to AUTH is the same for a disabled user and a wrong password.
        """
        from redis.exceptions import RedisError

        try:
            async with self.client(record, limit, username=None, password=None, db=0) as client:
                call: Any = (
                    client.execute_command
                )  # without redis-py's callback, which fails at a reply of another form
                reply = await call("ACL", "GETUSER", self.username or "default")
        except (RedisError, OSError):
            return False
        fields = zip(reply[::2], reply[1::2], strict=False) if isinstance(reply, list) else ()
        return any(name == b"flags" and isinstance(value, list) and b"off" in value for name, value in fields)

    def _login_hint(self, cause: Cause) -> str | None:
        """What is probably wrong with the login in the URL; None for the hint of the cause."""
        if cause is causes.PASSWORD_REJECTED and self.username and not self.password:
            return (
                "{url} holds a user name and no password; a password stands behind a colon: redis://:PASSWORD@host:port"
            )
        if cause in {causes.PASSWORD_REJECTED, causes.PASSWORD_REQUIRED} and not self.username:
            return f"{cause.hint}; without a user name the user is `default`, which the server may have switched off"
        return None

    def _check_info(self, record: Recorder, info: dict[str, Any] | None) -> None:
        if info is None:
            record.skip(Layer.FITNESS, "not judged: this user may not run INFO", ("url",))
            return
        record.facts |= {
            "version": info.get("valkey_version") or info.get("redis_version"),
            "run_id": info.get("run_id"),
            "role": info.get("role"),
        }
        if info.get("role") == "slave":
            primary = foreign(f"{info.get('master_host')}:{info.get('master_port')}")
            made = remedies.name_primary(self, info)
            record.note(causes.REPLICA.diagnosis(f"the server is a replica of {primary}", remedies=made))
        if info.get("cluster_enabled"):
            record.note(causes.CLUSTER_MODE.diagnosis("cluster_enabled is 1"))
        if info.get("maxmemory") and info.get("maxmemory_policy") != "noeviction":
            policy, limit = (foreign(str(info.get(name))) for name in ("maxmemory_policy", "maxmemory_human"))
            message = f"maxmemory is {limit} and maxmemory-policy is {policy}"
            record.note(causes.EVICTS_KEYS.diagnosis(message, remedies=remedies.keep_keys(self)))

    def diagnose(self, error: Exception) -> Diagnosis | None:
        """Map the server's errors first; everything else is a network error."""
        from redis.exceptions import ConnectionError as RedisConnectionError
        from redis.exceptions import InvalidResponse, RedisError
        from redis.exceptions import TimeoutError as RedisTimeoutError

        match error:
            case CommandRefused():
                made = remedies.of_refusal(self, error)
                return error.cause.diagnosis(f"the server reports: {error}", blames=error.blames, remedies=made)
            case InvalidResponse():
                return causes.NOT_VALKEY.diagnosis(f"the reply is not Valkey's: {foreign(str(error), 120)}")
            case RedisError() if causes.is_from_server(error):
                cause = causes.cause_of(error)
                made = remedies.permit_command(self, error) if cause is causes.NOT_PERMITTED else ()
                message, hint = f"the server reports: {foreign(str(error))}", self._login_hint(cause)
                return cause.diagnosis(message, hint=hint, remedies=made)
        if diagnosis := super().diagnose(error):
            return diagnosis
        match error:
            case ValueError() | RecursionError():
                return causes.NOT_VALKEY.diagnosis("the reply is not Valkey's: it cannot be parsed")
            case RedisTimeoutError():
                return SILENT.diagnosis("connected, then no reply in time", blames=self.address)
            case RedisConnectionError() if "closed by server" in str(error):
                return RESET.diagnosis("the connection was closed by the server", blames=self.address)
            case RedisError():
                return causes.NOT_VALKEY.diagnosis(
                    f"the reply is not Valkey's: redis-py reports: {foreign(str(error), 120)}"
                )
        return None


def _has_no_reply(error: Exception) -> bool:
    """Whether redis-py's error is about a connection that was closed, or about a time-out."""
    return "closed" in str(error).lower() or "reset" in str(error).lower() or "Timeout" in str(error)
