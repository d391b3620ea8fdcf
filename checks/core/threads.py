"""Blocking work in daemon threads, so that neither a wait nor the exit depends on it."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from checks.core.limits import BoundedSocket
from checks.core.machine import spare

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

T = TypeVar("T")


class Loop(asyncio.SelectorEventLoop):
    """An event loop whose name look-ups run in daemon threads: a dead name server holds up nobody, not even the exit.

    asyncio's own run in a small pool that a few stuck look-ups exhaust, and that is joined at the end. Addresses that
    are known to be ``dead`` come last, so that every driver tries a live one first, as Node.js does. And no server
    fills the memory through a driver: each connection ends in ``limits.Endless`` when it has brought too much.
    """

    def __init__(self) -> None:
        super().__init__()
        self.dead: set[str] = set()

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> Any:
        """socket.getaddrinfo, with the system's own hosts file, search domains and name service switch."""
        return await in_thread(lambda: resolve(host, port, self.dead, **options))

    async def _connect_sock(self, *given: Any) -> socket.socket:  # asyncio has no public place to choose a socket
        connected: socket.socket = await super()._connect_sock(*given)  # type: ignore[misc]
        bounded = BoundedSocket(fileno=connected.detach())
        bounded.setblocking(False)
        return bounded


def dead_addresses() -> set[str]:
    """Those that the running loop knows of, also when it comes to know them later."""
    loop = asyncio.get_running_loop()
    return loop.dead if isinstance(loop, Loop) else set()


def resolve(host: Any, port: Any, dead: Collection[str], **options: Any) -> list[Any]:
    """socket.getaddrinfo, with the dead addresses last. Blocks. Raises OSError where no descriptor is left."""
    try:
        found = socket.getaddrinfo(host, port, **options)
    except socket.gaierror:
        spare()
        raise
    return sorted(found, key=lambda entry: entry[4][0] in dead)


async def in_thread(work: Callable[[], T]) -> T:
    """Run blocking work in a daemon thread; when it is cancelled, the thread is left to itself."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def deliver(settle: Callable[[Any], None], value: object) -> None:
        def once() -> None:
            if not answer.done():
                settle(value)

        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(once)

    def run() -> None:
        try:
            deliver(answer.set_result, work())
        except StopIteration as error:  # no future takes it
            other = RuntimeError("the work raised StopIteration")
            other.__cause__ = error
            deliver(answer.set_exception, other)
        except BaseException as error:  # also SystemExit: whoever waits must hear of it, and standard error must not
            deliver(answer.set_exception, error)

    threading.Thread(target=run, daemon=True).start()
    return await answer
