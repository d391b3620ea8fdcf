"""Whether every address of the host leads to one server: clients take any of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from checks.core.finding import Status
from checks.core.recorder import Recorder
from checks.core.text import foreign
from checks.net.network_errors import NoSuchName
from checks.net.tcp import resolve
from checks.valkey.causes import SEVERAL_SERVERS

if TYPE_CHECKING:
    from checks.valkey import Valkey

_MAX_ADDRESSES = 3  # each of which costs a login


async def compare_addresses(check: Valkey, record: Recorder, info: Mapping[str, Any]) -> None:
    """Log in at each address of a host that has several; note the first that leads to another server.

    ``info``: the reply to INFO of the session, which may have gone to any of them.
    """
    try:
        addresses = await resolve(check.host, check.port)
    except (OSError, NoSuchName):
        return
    for address in addresses[:_MAX_ADDRESSES] if len(addresses) > 1 else ():
        there = await _info(check, record, address)
        if isinstance(there, str):
            others = f"a connection to {check.host} accepts the login, and {address}, one of its addresses, does not"
            message = f"{others}: the server reports: {foreign(there)}"
            record.note(SEVERAL_SERVERS.diagnosis(message, status=Status.WARN))
            return
        if None not in (info.get("run_id"), there.get("run_id")) and info["run_id"] != there["run_id"]:
            message = (
                f"a connection to {check.host} reached {server_text(info)}, and {address}, one of its addresses, "
                f"leads to {server_text(there)}"
            )
            record.note(SEVERAL_SERVERS.diagnosis(message))
            return


def server_text(info: Mapping[str, Any]) -> str:
    """The server's kind and run_id, which identify it."""
    kind = "a replica" if info.get("role") == "slave" else "a primary"
    return f"{kind} (run_id {foreign(str(info.get('run_id'))[:12])})"


async def _info(check: Valkey, record: Recorder, address: str) -> Mapping[str, Any] | str:
    """The reply to INFO at this address, or the error with which its server refuses the login.

    Nothing if it cannot be asked, which is not its fault here.
    """
    from redis.exceptions import AuthenticationError, RedisError

    try:
        async with check.client(record, record.share_of_time(0.3), address=address) as client:
            call: Any = client.execute_command
            reply = await call("INFO")
    except AuthenticationError as error:
        return str(error)
    except (RedisError, OSError, ValueError):
        return {}
    return reply if isinstance(reply, dict) else {}
