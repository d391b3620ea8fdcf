"""Runs blocking work in daemon threads, so that a wait and the exit of the process do not depend on it."""

from __future__ import annotations

import asyncio
import contextvars
import socket
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any, TypeVar

from checks.core.loop import waits
from checks.core.loop.clock import Selector
from checks.core.loop.sockets import connected_to, noted
from checks.core.machine import require_descriptor

T = TypeVar("T")


class Loop(asyncio.SelectorEventLoop):
    """An event loop with name look-ups in daemon threads: a dead name server delays neither other checks nor the exit.

    asyncio's own look-ups run in a small pool, which a few stuck look-ups exhaust and which is joined at the end.
    Addresses in ``dead`` come last, so that every driver tries a working one first, as Node.js does. Its clock is that
    of ``Selector``, so that the limits of asyncio count the time of servers. Its sockets note their waits.
    """

    def __init__(self) -> None:
        self._clock = Selector()
        super().__init__(self._clock)
        self.dead: set[str] = set()

    def time(self) -> float:
        """The time of ``Selector``."""
        return self._clock.now

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> Any:
        """As socket.getaddrinfo: with the system's hosts file, search domains and name service switch."""
        return await in_thread(lambda: resolve(host, port, self.dead, **options))

    async def create_unix_connection(
        self, protocol_factory: Any, path: Any = None, *, sock: Any = None, **options: Any
    ) -> Any:
        if path is not None:
            sock = await connected_to(socket.AF_UNIX, path)
        return await super().create_unix_connection(protocol_factory, sock=sock, **options)

    async def _connect_sock(self, *arguments: Any) -> socket.socket:  # asyncio has no public way to choose the class
        begun = time.monotonic()
        try:
            connected: socket.socket = await super()._connect_sock(*arguments)  # type: ignore[misc]
        except BaseException:
            waits.add(begun, time.monotonic())
            raise
        return noted(connected, begun)


def dead_addresses() -> set[str]:
    """The running loop's set of dead addresses; addresses added later appear in it."""
    loop = asyncio.get_running_loop()
    return loop.dead if isinstance(loop, Loop) else set()


def resolve(host: Any, port: Any, dead: Collection[str], **options: Any) -> list[Any]:
    """socket.getaddrinfo, with the dead addresses last. Blocks. Raises OSError if no descriptor is left."""
    try:
        with waits.one_wait():
            entries = socket.getaddrinfo(host, port, **options)
    except socket.gaierror:
        require_descriptor()
        raise
    return sorted(entries, key=lambda entry: entry[4][0] in dead)


async def in_thread(work: Callable[[], T]) -> T:
    """Run blocking work in a daemon thread. A cancellation does not wait for the thread."""
    loop, context = asyncio.get_running_loop(), contextvars.copy_context()
    outcome: asyncio.Future[T] = loop.create_future()

    def set_outcome(setter: Callable[[Any], None], value: object) -> None:
        def once() -> None:
            if not outcome.done():
                setter(value)

        with suppress(RuntimeError):  # the loop is closed: nothing waits for the outcome
            loop.call_soon_threadsafe(once)

    def run() -> None:
        try:
            set_outcome(outcome.set_result, context.run(work))
        except StopIteration as error:  # a Future does not accept it
            replacement = RuntimeError("the work raised StopIteration")
            replacement.__cause__ = error
            set_outcome(outcome.set_exception, replacement)
        except BaseException as error:  # also SystemExit: it is raised by the await, and not printed by the thread
            set_outcome(outcome.set_exception, error)

    threading.Thread(target=run, daemon=True).start()
    return await outcome
