"""TCP ports on loopback, the same one for IPv4 and IPv6: ``localhost`` may be either."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence

_TRIES = 20
_HOSTS = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}


def listeners() -> list[socket.socket]:
    """Sockets that listen on one free port, for each family that this machine has. Raises OSError."""
    for attempt in range(_TRIES):
        first = _bound(socket.AF_INET, 0)
        try:
            return [first, *_other(first.getsockname()[1])]
        except OSError as error:  # another program has the port in the other family
            first.close()
            if error.errno != errno.EADDRINUSE or attempt == _TRIES - 1:
                raise
    raise AssertionError


def free_port() -> int:
    """A port that nothing listens on now, for a program that opens it itself."""
    sockets = listeners()
    number = port(sockets)
    for listener in sockets:
        listener.close()
    return number


def port(sockets: Sequence[socket.socket]) -> int:
    """The port of these sockets."""
    return int(sockets[0].getsockname()[1])


def _other(port: int) -> list[socket.socket]:
    try:
        _bound(socket.AF_INET6, 0).close()
    except OSError:  # a machine without IPv6
        return []
    return [_bound(socket.AF_INET6, port)]


def _bound(family: socket.AddressFamily, port: int) -> socket.socket:
    listener = socket.socket(family)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family is socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((_HOSTS[family], port))
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener
