"""Servers with faults below any protocol, in the test process: each is a context manager of its port."""

import socket
import ssl
import struct
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress

from tests.testbed import Leaf

LOOPBACK = "127.0.0.1"
GARBAGE = b"\xff\x00?%" * 64
HTTP_REPLY = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
Behaviour = Callable[[socket.socket], object]


@contextmanager
def serving(behaviour: Behaviour) -> Iterator[int]:
    """Each accepted connection gets `behaviour` in a thread, and is closed when it returns."""
    with socket.create_server((LOOPBACK, 0)) as listener, accepting(listener, behaviour):
        yield listener.getsockname()[1]


@contextmanager
def accepting(listener: socket.socket, behaviour: Behaviour) -> Iterator[None]:
    connections: list[socket.socket] = []
    threading.Thread(target=_accept, args=(listener, behaviour, connections), daemon=True).start()
    try:
        yield
    finally:
        # Closing alone does not wake a thread that waits in accept or recv.
        for each in [listener, *connections]:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, behaviour: Behaviour, connections: list[socket.socket]) -> None:
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            connections.append(connection)
            threading.Thread(target=_serve, args=(connection, behaviour), daemon=True).start()


def _serve(connection: socket.socket, behaviour: Behaviour) -> None:
    with suppress(OSError), closing(connection):
        behaviour(connection)


@contextmanager
def refused_port() -> Iterator[int]:
    """A port on which nothing listens; it stays bound, so that no other process gets it."""
    with closing(socket.socket()) as holder:
        holder.bind((LOOPBACK, 0))
        yield holder.getsockname()[1]


@contextmanager
def black_hole(address: str = LOOPBACK, port: int = 0) -> Iterator[int]:
    """A port that never replies to a SYN: its listen queue is full and nothing accepts."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with closing(socket.socket(family)) as listener:
        listener.bind((address, port))
        listener.listen(0)
        queued = [socket.socket(family) for _ in range(3)]
        for each in queued:
            each.setblocking(False)
            each.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
        for each in queued:
            each.close()


def silent_port() -> AbstractContextManager[int]:
    """Accepts, reads, and never sends."""
    return serving(read_on)


def closing_port() -> AbstractContextManager[int]:
    """Accepts and closes at once."""
    return serving(lambda _connection: None)


def resetting_port() -> AbstractContextManager[int]:
    """Accepts and resets at once."""
    return serving(reset)


def garbage_port(data: bytes = GARBAGE) -> AbstractContextManager[int]:
    """Sends bytes of no protocol first, and then waits."""
    return serving(lambda connection: send(connection, data))


def endless_port(data: bytes = GARBAGE) -> AbstractContextManager[int]:
    """Sends without end, as fast as it is read."""
    return serving(lambda connection: repeat(connection, data))


def dripping_port(data: bytes = b"\xff") -> AbstractContextManager[int]:
    """Sends `data` every second, without end."""
    return serving(lambda connection: repeat(connection, data, pause=1.0))


def http_port(reply: bytes = HTTP_REPLY) -> AbstractContextManager[int]:
    """Replies to any request with `reply`."""
    return serving(lambda connection: answer(connection, reply))


def tls_port(context: ssl.SSLContext) -> AbstractContextManager[int]:
    """Makes the TLS handshake, then closes."""
    return serving(lambda connection: context.wrap_socket(connection, server_side=True).close())


def old_tls_port(leaf: Leaf) -> AbstractContextManager[int]:
    """Offers TLS 1.0 and 1.1 only."""
    context = leaf.context()
    # The default level forbids the signatures of these protocols.
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    return tls_port(context)


def send(connection: socket.socket, data: bytes) -> None:
    connection.sendall(data)
    read_on(connection)


def answer(connection: socket.socket, reply: bytes) -> None:
    connection.recv(65536)
    connection.sendall(reply)


def read_on(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def repeat(connection: socket.socket, data: bytes, pause: float = 0.0) -> None:
    while True:
        connection.sendall(data)
        time.sleep(pause)
