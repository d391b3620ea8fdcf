"""A relay before each server, which counts the connections and keeps what their clients send."""

import asyncio
import re
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import AsyncExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

LOOPBACK = "127.0.0.1"
Address = tuple[str, int] | Path
"""A host and port, or a Unix socket."""
Listen = Callable[[Address], socket.socket]


@dataclass
class RecordingProxy:
    listener: socket.socket
    upstream: Address
    received: list[bytearray] = field(default_factory=list)
    """What the client of each connection sent, in the order of the connections."""

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    @property
    def path(self) -> str:
        return str(self.listener.getsockname())

    @property
    def accepted(self) -> int:
        return len(self.received)

    @property
    def with_data(self) -> int:
        """The number of connections on which the client sent anything."""
        return sum(map(bool, self.received))

    def matches(self, pattern: bytes) -> list[bytes]:
        """All matches of a pattern in what the clients sent."""
        return [match for sent in list(self.received) for match in re.findall(pattern, sent)]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.received.append(sent := bytearray())
        with suppress(OSError), closing(writer.transport):
            replies, upstream = await _open(self.upstream)
            with closing(upstream.transport):
                await asyncio.gather(_pump(reader, upstream, sent), _pump(replies, writer, bytearray()))


@contextmanager
def recording_proxies(
    upstreams: Mapping[str, Address], listen: Listen | None = None
) -> Iterator[dict[str, RecordingProxy]]:
    """One relay for each; `listen` makes the listener of the relay to an address."""
    with TemporaryDirectory() as folder:
        listen = listen or (lambda address: listener(address, Path(folder)))
        made = {name: RecordingProxy(listen(address), address) for name, address in upstreams.items()}
        started: Future[Callable[[], object]] = Future()
        thread = threading.Thread(target=lambda: asyncio.run(_run(made.values(), started)), daemon=True)
        thread.start()
        stop = started.result()
        try:
            yield made
        finally:
            stop()
            thread.join()


def listener(address: Address, folder: Path) -> socket.socket:
    """A listener in the network of the calling thread; a Unix socket is in `folder`."""
    if isinstance(address, tuple):
        return socket.create_server((LOOPBACK, 0), backlog=512)
    made = socket.socket(socket.AF_UNIX)
    made.bind(str(folder / address.name))
    made.listen(512)
    return made


async def _run(all_: Iterable[RecordingProxy], started: Future[Callable[[], object]]) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    loop.set_exception_handler(lambda *_: None)
    async with AsyncExitStack() as stack:
        for proxy in all_:
            start = asyncio.start_server if isinstance(proxy.upstream, tuple) else asyncio.start_unix_server
            await stack.enter_async_context(await start(proxy.serve, sock=proxy.listener))
        started.set_result(lambda: loop.call_soon_threadsafe(stop.set))
        await stop.wait()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()


async def _open(address: Address) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if isinstance(address, tuple):
        return await asyncio.open_connection(*address)
    return await asyncio.open_unix_connection(address)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kept: bytearray) -> None:
    try:
        while block := await reader.read(65536):
            kept += block
            writer.write(block)
            await writer.drain()
    except OSError:
        writer.transport.abort()
    else:
        writer.close()
