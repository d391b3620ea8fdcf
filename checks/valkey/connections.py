"""redis-py's connections, with the run's trusted roots, that note when a reply comes.

redis-py's own context also trusts the system's roots and reads files. Imported only when a check runs, because it
imports redis-py.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from ssl import SSLContext
from typing import Any

from redis.asyncio import Connection, ConnectionPool, SSLConnection
from redis.exceptions import ResponseError

OnReply = Callable[[float], object]


class _Noting:
    """Calls ``on_reply`` for each reply, with the time (monotonic) since which it was waited for.

    ``address``: one of the host's addresses.
    """

    def __init__(self, *, on_reply: OnReply, address: str, **options: Any) -> None:
        super().__init__(**options)
        self._on_reply, self._address = on_reply, address

    def _connection_arguments(self) -> dict[str, Any]:
        """The arguments of asyncio.open_connection(). The certificate must be for the host, even at an address."""
        arguments: dict[str, Any] = {**super()._connection_arguments()}  # type: ignore[misc]
        if self._address:
            name = {"server_hostname": arguments["host"]} if "ssl" in arguments else {}
            arguments |= {"host": self._address, **name}
        return arguments

    async def read_response(self, *arguments: Any, **options: Any) -> Any:
        started = time.monotonic()
        try:
            reply = await super().read_response(*arguments, **options)  # type: ignore[misc]
        except ResponseError:
            self._on_reply(started)
            raise
        self._on_reply(started)
        return reply


class _Plain(_Noting, Connection):
    pass


class _Secured(_Noting, SSLConnection):
    def __init__(self, *, context: SSLContext, **options: Any) -> None:
        super().__init__(**options)
        self.ssl_context.context = context  # redis-py makes one where this is None


def pool(
    options: Mapping[str, Any], context: SSLContext | None, on_reply: OnReply, address: str = ""
) -> ConnectionPool:
    """A pool whose connections have redis-py's ``options``, and TLS if there is a ``context``."""
    own: dict[str, Any] = {"on_reply": on_reply, "address": address}
    if context:
        return ConnectionPool(connection_class=_Secured, context=context, **own, **options)
    return ConnectionPool(connection_class=_Plain, **own, **options)
