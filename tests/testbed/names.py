"""A name server, and a thread in which functions use it."""

import ctypes
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TypeVar

from tests.testbed.containers import Server, running
from tests.testbed.probes import replies

CLONE_NEWNS, MS_BIND, MS_REC, MS_PRIVATE = 0x20000, 0x1000, 0x4000, 0x40000
NOWHERE = "192.0.2.1"
"""An address reserved for documentation: nothing replies."""
QUERY = bytes.fromhex("0011 0001 0100 0001 0000 0000 0000  00 0001 0001")
"""A query for the addresses of the root, over TCP."""
Result = TypeVar("Result")


class NameServer(Server):
    def asked_by(
        self, function: Callable[[], Result], options: str = "timeout:1 attempts:1", search: str = "", hosts: str = ""
    ) -> Result:
        """
        Call `function` in a thread with this name server, which the threads and processes that it starts have too.

        Needs `can_change_names()`; `options` and `search` as in resolv.conf; `hosts` is another hosts file.
        """
        ip, _, _port = self.address.partition(":")
        lines = [f"nameserver {ip}", f"options {options}", *([f"search {search}"] if search else [])]
        files = {"/etc/resolv.conf": "\n".join((*lines, "")).encode()}
        return with_files(files | ({"/etc/hosts": hosts.encode()} if hosts else {}), function)


@contextmanager
def name_server(
    names: Mapping[str, Sequence[str]], silent: Sequence[str] = (), refused: Sequence[str] = ()
) -> Iterator[NameServer]:
    """
    Replies with the addresses of each of `names`; `*.apps.test` is that name and all names below it.

    It never replies to a query for `silent` names, refuses each for a name below `refused`, and no other name exists.
    """
    flags = [_flag(name, address) for name, addresses in names.items() for address in addresses]
    flags += [f"--server=/{name}/{NOWHERE}" for name in silent]
    flags += [f"--server=/{name}/#" for name in refused]
    with running("dnsmasq", flags, 53, lambda port: replies(port, QUERY), {}) as fields:
        yield NameServer(*fields)


def can_change_names() -> bool:
    """Whether this process may give a thread other files in /etc: only root on Linux may."""
    try:
        with_files({}, lambda: None)
    except (OSError, AttributeError):
        return False
    return True


def with_files(files: Mapping[str, bytes], function: Callable[[], Result]) -> Result:
    """Call `function` in a thread for which `files` replace those that exist at these paths."""
    future: Future[Result] = Future()

    def run() -> None:
        try:
            _own_mounts()
            for path, content in files.items():
                _replace(path, content)
            future.set_result(function())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future.result()


def _own_mounts() -> None:
    """Give this thread mounts of its own."""
    libc = ctypes.CDLL(None, use_errno=True)
    _succeed(libc.unshare(CLONE_NEWNS))
    _succeed(libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None))


def _replace(path: str, content: bytes) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        os.fchmod(file.fileno(), 0o644)
        libc = ctypes.CDLL(None, use_errno=True)
        _succeed(libc.mount(file.name.encode(), path.encode(), None, MS_BIND, None))


def _succeed(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _flag(name: str, address: str) -> str:
    below = name.removeprefix("*.")
    return f"--host-record={name},{address}" if below == name else f"--address=/{below}/{address}"
