"""Commands of valkey-cli that cure a finding. It passes each word to the server as it is; the shell gets it quoted."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from checks.core import remedy
from checks.core.remedy import Remedies
from checks.valkey.causes import KEPT, REWRITTEN

if TYPE_CHECKING:
    from checks.valkey import Valkey
    from checks.valkey.commands import CommandRefused

NEEDED = ("select", "get", "set", "del", "zadd", "zrem", "zremrangebyscore", "zcard", "eval")
_COMMAND = re.compile(r"'([a-z]+)' command")
_SPECIAL = re.compile(r"([*?\[\]\\^])")  # in a pattern of keys
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252}[A-Za-z0-9_])?")


def of_refusal(check: Valkey, refusal: CommandRefused) -> Remedies:
    """The commands that let the user run what Mistle runs."""
    match refusal.cause.id:
        case "valkey.user-disabled":
            return _setuser(check, "on")
        case "valkey.not-permitted":
            return permit(check, refusal.refused, keys=refusal.keys)
        case "valkey.replica":
            return name_primary(check, refusal.info)
    return ()


def permit(check: Valkey, refused: Iterable[str], *, keys: bool) -> Remedies:
    """The commands that the user may not run, and its keys, if it may not use these."""
    rules = [f"+{name}" for name in NEEDED if name in {*map(str.lower, refused)}]
    if keys:
        prefix = _SPECIAL.sub(r"\\\1", check.key_prefix)
        rules.append(f"~{prefix}:*")
    if not rules or any(character.isspace() for rule in rules for character in rule):  # the server takes no spaces
        return ()
    return _setuser(check, *rules)


def permit_command(check: Valkey, error: Exception) -> Remedies:
    """The command that an error names, before any other was run: SELECT."""
    return permit(check, _COMMAND.findall(str(error)[:300]), keys=False)


def keep_keys(check: Valkey) -> Remedies:
    """No eviction."""
    words = "CONFIG", "SET", "maxmemory-policy", "noeviction"
    return _cli(check, REWRITTEN, *words)


def name_primary(check: Valkey, info: Mapping[str, object]) -> Remedies:
    """The primary that a replica names, in place of the replica; nothing if it names none that a URL can hold."""
    host, port = _in_url(str(info.get("master_host"))), info.get("master_port")
    if not host or not isinstance(port, int) or not 0 < port < 65536:
        return ()
    return remedy.edit("url", {"from": [_in_url(check.host), check.port], "to": f"{host}:{port}"})


def _in_url(host: str) -> str:
    try:
        return f"[{host}]" if ipaddress.ip_address(host).version == 6 else host
    except ValueError:
        return host if _HOST.fullmatch(host) else ""


def _setuser(check: Valkey, *rules: str) -> Remedies:
    return _cli(check, KEPT, "ACL", "SETUSER", check.username or "default", *rules)


def _cli(check: Valkey, who: str, *words: str) -> Remedies:
    return remedy.command("valkey-cli", f"on {check.host}:{check.port}, {who}", "valkey-cli", *words)
