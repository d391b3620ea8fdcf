"""A thread with a network of its own, in which any address may be local."""

import ctypes
import fcntl
import os
import socket
import struct
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

CLONE_NEWNET = 0x40000000
SIOCSIFADDR, SIOCSIFFLAGS, UP_AND_RUNNING = 0x8916, 0x8914, 0x41
Result = TypeVar("Result")


def can_have_own_network() -> bool:
    """Whether this process may give a thread another network: only root on Linux may."""
    try:
        in_own_network("192.0.2.1", lambda: None)
    except (OSError, AttributeError):
        return False
    return True


def in_own_network(address: str, function: Callable[[], Result]) -> Result:
    """Call `function` in a thread in which `address` is this machine's, and no other address can be reached."""
    with own_network(address) as inside:
        return inside(function).result()


@contextmanager
def own_network(address: str) -> Iterator[Callable[[Callable[[], Result]], "Future[Result]"]]:
    """Runs functions in one such thread. A socket stays in the network in which it was made."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(_enter, address).result()
        yield thread.submit


def _enter(address: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    _give(b"lo", "127.0.0.1")
    _give(b"lo:1", address)


def _give(interface: bytes, address: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        wanted = struct.pack("16sHH4s8x", interface, socket.AF_INET, 0, socket.inet_aton(address))
        fcntl.ioctl(any_socket, SIOCSIFADDR, wanted)
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", interface, UP_AND_RUNNING))
