"""The commands that Mistle sends to Valkey, sent in one pipeline, and their replies."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from checks.core.finding import Cause, Diagnosed
from checks.core.text import foreign
from checks.valkey import causes

if TYPE_CHECKING:
    from redis.asyncio import Redis


_NAMED = re.compile(r"'([a-z]+)' command")
_EXPIRY = 5000  # milliseconds until the server removes the keys that a broken connection leaves
_EXPIRE = "PEXPIRE"  # Mistle does not use it: where the server refuses it, DEL alone removes the key
SENTINEL_MODE = "INFO reports the mode sentinel"
_SCRIPT = """
redis.call('SET', KEYS[1], cjson.encode({probe = ARGV[1]}), 'PX', ARGV[2])
local kept = cjson.decode(redis.call('GET', KEYS[1]))['probe']
redis.call('DEL', KEYS[1])
return kept
"""


class CommandRefused(Exception):
    """The server refused a command, because of ``cause``; ``refused``: the names of all commands that it refuses alike.

    ``keys``: whether it refuses the keys too, or accepts no command that has one.
    """

    def __init__(
        self, command: str, error: Exception, cause: Cause, refused: tuple[str, ...] = (), *, keys: bool = False
    ) -> None:
        super().__init__(f"{command} {foreign(str(error))}".strip())
        self.cause, self.refused, self.keys = cause, refused, keys
        self.info: Mapping[str, Any] = {}
        self.blames = ("url", "key_prefix") if causes.is_about_keys(error) else cause.blames


@dataclass(frozen=True)
class CommandReplies:
    """A reply or an exception for each command; ``info`` is the reply to INFO, None if the user may not run it."""

    key_prefix: str
    commands: tuple[str, ...]
    replies: tuple[object, ...]
    info: dict[str, Any] | None
    unproven: str = ""

    def raise_login_error(self) -> None:
        """Raise the first error of the login or the connection, which every command gets."""
        from redis.exceptions import AuthenticationError
        from redis.exceptions import ConnectionError as RedisConnectionError

        if is_sentinel(self.info):
            raise Diagnosed(causes.SENTINEL.diagnosis(SENTINEL_MODE))
        for reply in self.replies:
            if isinstance(reply, AuthenticationError | RedisConnectionError):
                raise reply

    def raise_refusal(self) -> None:
        """Raise the first refusal, with the name of its command."""
        for command, reply in self._pairs:
            if isinstance(reply, Exception) and command != _EXPIRE:
                if not causes.is_from_server(reply):
                    raise reply
                raise self._refusal(command, reply)

    def _refusal(self, command: str, reply: Exception) -> CommandRefused:
        """The first refusal, and what the others show of it."""
        tried = [(name, each) for name, each in self._pairs if name != _EXPIRE]
        failed = [(name, each) for name, each in tried if isinstance(each, Exception)]
        about_keys = [each for _, each in failed if causes.is_about_keys(each)]
        names = tuple(_refused(name, each) for name, each in failed if each not in about_keys)
        cause, keys = causes.cause_of(reply), bool(about_keys) or len(failed) == len(tried)
        refusal = CommandRefused(f"{command} on {self.key_prefix}:", reply, cause, names, keys=keys)
        refusal.info = self.info or {}
        return refusal

    @property
    def _pairs(self) -> tuple[tuple[str, object], ...]:
        return tuple(zip(self.commands, self.replies, strict=True))


def _refused(command: str, error: Exception) -> str:
    """The command that the server refuses: of EVAL, one of its script's may be."""
    named = _NAMED.search(str(error)[:300])
    return named[1] if named else command


def is_sentinel(info: Mapping[str, Any] | None) -> bool:
    """Whether a reply to INFO is a Sentinel's. Redis and Valkey have other names for the mode."""
    return "sentinel" in {(info or {}).get(name) for name in ("redis_mode", "server_mode")}


def plan_commands(key_prefix: str) -> tuple[tuple[str | int, ...], ...]:
    """Every command that Mistle uses, on two new keys; the last command removes both."""
    token = secrets.token_hex(8)
    lease, index = (f"{key_prefix}:mistle-preflight:{token}:{part}" for part in ("lease", "index"))
    return (
        ("SET", lease, token, "PX", _EXPIRY),
        ("GET", lease),
        ("ZADD", index, 1, token),
        (_EXPIRE, index, _EXPIRY),
        ("ZCARD", index),
        ("ZREM", index, token),
        ("ZREMRANGEBYSCORE", index, "-inf", "+inf"),
        ("EVAL", _SCRIPT, 1, lease, token, _EXPIRY),
        ("DEL", lease, index),
    )


async def run_commands(client: Redis, key_prefix: str, _user: str) -> CommandReplies:
    """Run every command."""
    commands = plan_commands(key_prefix)
    *replies, info = await _run_pipeline(client, commands)
    return CommandReplies(
        key_prefix, tuple(str(command[0]) for command in commands), tuple(replies), _info_or_none(info)
    )


async def ask_permissions(client: Redis, key_prefix: str, user: str) -> CommandReplies:
    """Ask by ACL DRYRUN whether the user may run the commands; run only GET."""
    commands = plan_commands(key_prefix)
    probe, *rest = await _run_pipeline(
        client, (("GET", commands[0][1]), *(("ACL", "DRYRUN", user, *c) for c in commands))
    )
    *permissions, info = rest
    names = ("GET", *(str(command[0]) for command in commands))
    if any(isinstance(permission, Exception) for permission in permissions):
        reason = "writing is not proven: --read-only, and this user may not run ACL DRYRUN"
        return CommandReplies(key_prefix, names[:1], (probe,), _info_or_none(info), reason)
    return CommandReplies(key_prefix, names, (probe, *map(_permission, permissions)), _info_or_none(info))


async def _run_pipeline(client: Redis, commands: Sequence[tuple[str | int, ...]]) -> list[Any]:
    pipeline = client.pipeline(transaction=False)
    for command in commands:
        pipeline.execute_command(*command)
    pipeline.execute_command("INFO")
    return await pipeline.execute(raise_on_error=False)


def _permission(reply: object) -> object:
    from redis.exceptions import NoPermissionError

    text = reply.decode() if isinstance(reply, bytes) else str(reply)
    return text if text == "OK" else NoPermissionError(text)


def _info_or_none(info: object) -> dict[str, Any] | None:
    return info if isinstance(info, dict) else None
