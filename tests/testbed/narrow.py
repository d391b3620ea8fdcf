"""A relay that loses large packets, as a path does whose devices drop what exceeds their MTU and do not report it."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

LOOPBACK = "127.0.0.1"


@contextmanager
def narrow_path(upstream: int, largest: int) -> Iterator[int]:
    """The port of a relay to `upstream`: what is longer than `largest` bytes is lost, and all that follows it.

    So TCP delivers it: what arrived before, and nothing that comes after a gap.
    """
    with socket.create_server((LOOPBACK, 0)) as listener:
        connections: list[socket.socket] = []
        threading.Thread(target=_accept, args=(listener, upstream, largest, connections), daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            for each in [listener, *connections]:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, upstream: int, largest: int, connections: list[socket.socket]) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            server = socket.create_connection((LOOPBACK, upstream))
            connections += [client, server]
            for source, target in ((client, server), (server, client)):
                threading.Thread(target=_pass_on, args=(source, target, largest), daemon=True).start()


def _pass_on(source: socket.socket, target: socket.socket, largest: int) -> None:
    is_open = True
    with source, suppress(OSError):
        while data := source.recv(65536):
            is_open = is_open and len(data) <= largest
            if is_open:
                target.sendall(data)
        if is_open:  # otherwise the end is lost too
            target.shutdown(socket.SHUT_WR)
