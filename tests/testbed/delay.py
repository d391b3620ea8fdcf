"""A relay that passes what a server sends only after a time, as a slow server does."""

import math
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LOOPBACK = "127.0.0.1"


@contextmanager
def delayed(upstream: int | Path, seconds: float, replies: float = math.inf) -> Iterator[int | Path]:
    """The port, or the socket, of a relay to `upstream`; each reply of the server comes `seconds` late.

    Of each connection, only so many `replies` come at all.
    """
    with _listener(upstream) as (listener, place):
        connections: list[socket.socket] = []
        late = seconds, replies
        threading.Thread(target=_accept, args=(listener, upstream, late, connections), daemon=True).start()
        try:
            yield place
        finally:
            for each in [listener, *connections]:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)


@contextmanager
def _listener(upstream: int | Path) -> Iterator[tuple[socket.socket, int | Path]]:
    if isinstance(upstream, int):
        with socket.create_server((LOOPBACK, 0)) as listener:
            yield listener, listener.getsockname()[1]
        return
    place = upstream.with_name("delayed.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place))
        listener.listen()
        yield listener, place
    place.unlink()


def _accept(
    listener: socket.socket, upstream: int | Path, late: tuple[float, float], connections: list[socket.socket]
) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            server = _connect(upstream)
            connections += [client, server]
            threading.Thread(target=_pass_on, args=(client, server, 0.0, math.inf), daemon=True).start()
            threading.Thread(target=_pass_on, args=(server, client, *late), daemon=True).start()


def _connect(upstream: int | Path) -> socket.socket:
    if isinstance(upstream, int):
        return socket.create_connection((LOOPBACK, upstream))
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(upstream))
    return connection


def _pass_on(source: socket.socket, target: socket.socket, seconds: float, most: float) -> None:
    passed = 0
    with suppress(OSError), source, target:
        while data := source.recv(65536):
            if passed < most:
                time.sleep(seconds)
                target.sendall(data)
            passed += 1
        target.shutdown(socket.SHUT_WR)
