"""Servers on a Unix socket with a fault, in the test process: each is a context manager of its path."""

import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.harness.faults import GARBAGE, Behaviour, accepting, answer, read_on


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
    return serving(read_on)


def garbage_socket(reply: bytes = GARBAGE) -> AbstractContextManager[Path]:
    """Replies to any request with `reply`."""
    return serving(lambda connection: answer(connection, reply))


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
