"""Servers on a Unix socket with a fault, in the test process: each is a context manager of its path."""

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.harness.faults import GARBAGE, HTTP_REPLY, Behaviour, accepting


@contextmanager
def serving(behaviour: Behaviour) -> Iterator[Path]:
    """Each accepted connection gets `behaviour` in a thread, and is closed when it returns."""
    with TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        path = Path(folder, "docker.sock")
        listener.bind(str(path))
        listener.listen()
        with accepting(listener, behaviour):
            yield path


def silent_socket() -> AbstractContextManager[Path]:
    """Accepts, reads, and never sends."""
    return serving(_read_on)


def garbage_socket(reply: bytes = GARBAGE) -> AbstractContextManager[Path]:
    """Replies to any request with `reply`."""
    return serving(lambda connection: _answer(connection, reply))


def http_socket(reply: bytes = HTTP_REPLY) -> AbstractContextManager[Path]:
    """Replies to any request with `reply`, in HTTP."""
    return garbage_socket(reply)


@contextmanager
def dead_socket() -> Iterator[Path]:
    """The file of a server that has gone."""
    with TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        path = Path(folder, "docker.sock")
        listener.bind(str(path))
        yield path


@contextmanager
def full_socket() -> Iterator[Path]:
    """Its listen queue is full and nothing accepts: the nearest to dropped packets that a Unix socket has."""
    with TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        path = Path(folder, "docker.sock")
        listener.bind(str(path))
        listener.listen(0)
        with socket.socket(socket.AF_UNIX) as first:
            first.connect(str(path))
            yield path


def altered_socket(upstream: Path, changes: Mapping[bytes, bytes]) -> AbstractContextManager[Path]:
    """Sends the replies of `upstream`, with `changes` of their bytes to others of the same length."""
    assert all(len(old) == len(new) for old, new in changes.items())
    return serving(lambda connection: _relay(connection, upstream, changes))


def _relay(client: socket.socket, upstream: Path, changes: Mapping[bytes, bytes]) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(str(upstream))
        threading.Thread(target=_pass_on, args=(client, server, {}), daemon=True).start()
        _pass_on(server, client, changes)


def _pass_on(source: socket.socket, target: socket.socket, changes: Mapping[bytes, bytes]) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            for old, new in changes.items():
                data = data.replace(old, new)
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def _read_on(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def _answer(connection: socket.socket, reply: bytes) -> None:
    connection.recv(65536)
    connection.sendall(reply)
