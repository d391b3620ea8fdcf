"""Relays between a client and a server: what passes through them comes late, or changed, or is lost."""

import math
import socket
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from tests.harness import faults, socket_faults
from tests.harness.faults import LOOPBACK

Pass = Callable[[socket.socket, socket.socket], object]
"""Passes on what the first socket receives to the second, until its end."""


def delayed(upstream: int | Path, seconds: float, replies: float = math.inf) -> AbstractContextManager[Any]:
    """The port, or the socket, of a relay to `upstream`; each reply of the server comes `seconds` late.

    Of each connection, only so many `replies` come at all.
    """
    return _relayed(upstream, replies=partial(_pass_late, seconds, replies))


def narrow_path(upstream: int, largest: int) -> AbstractContextManager[int]:
    """A path that drops large packets, and does not report it: the port of a relay to `upstream`.

    What is longer than `largest` bytes is lost, and all that follows it. So TCP delivers it: what arrived before, and
    nothing that comes after a gap.
    """
    pass_small = partial(_pass_small, largest)
    return _relayed(upstream, pass_small, pass_small)


def replacing(upstream: int, old: bytes, new: bytes) -> AbstractContextManager[int]:
    """The port of a relay to `upstream`, with `old` in the replies replaced by `new`, which has the same length."""
    return _relayed(upstream, replies=partial(pass_on, change=lambda data: data.replace(old, new)))


def _relayed(upstream: int | Path, *ways: Pass, **replies: Pass) -> AbstractContextManager[Any]:
    serving = faults.serving if isinstance(upstream, int) else socket_faults.serving
    return serving(lambda client: relay(client, upstream, *ways, **replies))


def pass_on(source: socket.socket, target: socket.socket, change: Callable[[bytes], bytes] = bytes) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(change(data))
    _end(target, socket.SHUT_WR)


def relay(client: socket.socket, upstream: int | Path, requests: Pass = pass_on, replies: Pass = pass_on) -> None:
    """Connect the client to the server, until the client closes."""
    with _connected(upstream) as server:
        threading.Thread(target=replies, args=(server, client), daemon=True).start()
        requests(client, server)
        _end(server, socket.SHUT_RDWR)


def _connected(upstream: int | Path) -> socket.socket:
    if isinstance(upstream, int):
        return socket.create_connection((LOOPBACK, upstream))
    server = socket.socket(socket.AF_UNIX)
    server.connect(str(upstream))
    return server


def _pass_late(seconds: float, most: float, source: socket.socket, target: socket.socket) -> None:
    passed = count()

    def late(data: bytes) -> bytes:
        if next(passed) >= most:
            return b""
        time.sleep(seconds)
        return data

    pass_on(source, target, late)


def _pass_small(largest: int, source: socket.socket, target: socket.socket) -> None:
    is_open = True
    with suppress(OSError):
        while data := source.recv(65536):
            is_open = is_open and len(data) <= largest
            if is_open:
                target.sendall(data)
    if is_open:  # otherwise the end is lost too
        _end(target, socket.SHUT_WR)


def _end(connection: socket.socket, how: int) -> None:
    with suppress(OSError):
        connection.shutdown(how)
