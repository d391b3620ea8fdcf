"""A machine that lacks something: few file descriptors, little memory. It is said, and is no bug of the tool."""

import errno
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from checks import machine


@contextmanager
def descriptors(free: int) -> Iterator[None]:
    """This process may open so many more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_error_names_what_is_lacking() -> None:
    with descriptors(0), pytest.raises(OSError, match="open files") as met:
        socket.socket()
    found = machine.diagnose(met.value)
    assert found
    assert (found.cause.id, found.blames) == ("run.no-descriptors", ())


@pytest.mark.parametrize(
    ("error", "id_"),
    [
        (OSError(errno.ENFILE, "x"), "run.no-descriptors"),
        (OSError(errno.ENOMEM, "x"), "run.no-memory"),
        (MemoryError(), "run.no-memory"),
        (RuntimeError("can't start new thread"), "run.no-memory"),
    ],
    ids=str,
)
def test_error_is_found_where_a_driver_wrapped_it(error: BaseException, id_: str) -> None:
    wrapped = ValueError("as a driver has it")
    wrapped.__cause__ = error
    found = machine.diagnose(wrapped)
    assert found
    assert found.cause.id == id_


def test_another_error_is_none_of_these() -> None:
    assert machine.diagnose(RuntimeError("can't")) is None
    assert machine.diagnose(OSError(errno.EPERM, "x")) is None
