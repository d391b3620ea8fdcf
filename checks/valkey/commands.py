"""The commands that Mistle sends to Valkey, in one flight, and what the replies say."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from checks.core.text import foreign
from checks.valkey import causes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

    from checks.core.check import Cause

_LIFE = 5000  # milliseconds after which the server itself removes what a broken connection leaves
_EXPIRE = "PEXPIRE"  # none of Mistle's commands: where it is refused, the removal must do
_SCRIPT = """
redis.call('SET', KEYS[1], cjson.encode({probe = ARGV[1]}), 'PX', ARGV[2])
local kept = cjson.decode(redis.call('GET', KEYS[1]))['probe']
redis.call('DEL', KEYS[1])
return kept
"""


class CommandRefused(Exception):
    """The server refused a command; ``cause`` says what that means."""

    def __init__(self, command: str, error: Exception, cause: Cause) -> None:
        super().__init__(f"{command} {foreign(str(error))}".strip())
        self.cause = cause


@dataclass(frozen=True)
class Replies:
    """What came back: one reply or exception for each command, and the server's own report."""

    key_prefix: str
    commands: tuple[str, ...]
    replies: tuple[object, ...]
    info: dict[str, Any] | None
    unproven: str = ""

    def raise_login_error(self) -> None:
        """Raise what makes every command fail alike."""
        from redis.exceptions import AuthenticationError
        from redis.exceptions import ConnectionError as Dropped

        for reply in self.replies:
            if isinstance(reply, AuthenticationError | Dropped):
                raise reply

    def raise_refusal(self) -> None:
        """Raise the first refusal, with its command's name."""
        for command, reply in zip(self.commands, self.replies, strict=True):
            if isinstance(reply, Exception) and command != _EXPIRE:
                is_refusal = causes.is_servers(reply)
                raise (
                    CommandRefused(f"{command} on {self.key_prefix}:", reply, causes.by_words(reply))
                    if is_refusal
                    else reply
                )


def plan_commands(key_prefix: str) -> tuple[tuple[str | int, ...], ...]:
    """Every command that Mistle uses, on two fresh keys that are gone at the end."""
    token = secrets.token_hex(8)
    lease, index = (f"{key_prefix}:mistle-preflight:{token}:{part}" for part in ("lease", "index"))
    return (
        ("SET", lease, token, "PX", _LIFE),
        ("GET", lease),
        ("ZADD", index, 1, token),
        (_EXPIRE, index, _LIFE),
        ("ZCARD", index),
        ("ZREM", index, token),
        ("ZREMRANGEBYSCORE", index, "-inf", "+inf"),
        ("EVAL", _SCRIPT, 1, lease, token, _LIFE),
        ("DEL", lease, index),
    )


async def writes(client: Redis, key_prefix: str, _user: str) -> Replies:
    """Run every command for real."""
    commands = plan_commands(key_prefix)
    *replies, info = await _flight(client, commands)
    return Replies(key_prefix, tuple(str(command[0]) for command in commands), tuple(replies), _report(info))


async def permissions(client: Redis, key_prefix: str, user: str) -> Replies:
    """Ask whether every command would be allowed; run none of them."""
    commands = plan_commands(key_prefix)
    probe, *rest = await _flight(client, (("GET", commands[0][1]), *(("ACL", "DRYRUN", user, *c) for c in commands)))
    *verdicts, info = rest
    names = ("GET", *(str(command[0]) for command in commands))
    if any(isinstance(verdict, Exception) for verdict in verdicts):
        reason = "writing is not proven: --read-only, and this user may not run ACL DRYRUN"
        return Replies(key_prefix, names[:1], (probe,), _report(info), reason)
    return Replies(key_prefix, names, (probe, *map(_verdict, verdicts)), _report(info))


async def _flight(client: Redis, commands: Sequence[tuple[str | int, ...]]) -> list[Any]:
    pipeline = client.pipeline(transaction=False)
    for command in commands:
        pipeline.execute_command(*command)
    pipeline.execute_command("INFO")
    return await pipeline.execute(raise_on_error=False)


def _verdict(reply: object) -> object:
    from redis.exceptions import NoPermissionError

    words = reply.decode() if isinstance(reply, bytes) else str(reply)
    return words if words == "OK" else NoPermissionError(words)


def _report(info: object) -> dict[str, Any] | None:
    return info if isinstance(info, dict) else None
