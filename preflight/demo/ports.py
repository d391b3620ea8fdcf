"""TCP ports on loopback, the same one for IPv4 and IPv6: ``localhost`` may be either."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence

_TRIES = 20
_CLOSED: list[socket.socket] = []
_HOSTS = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}


def listeners(backlog: int | None = 128) -> list[socket.socket]:
    """Sockets that listen on one free port, for each family that this machine has; None: they do not listen.

    Raises OSError.
    """
    for attempt in range(_TRIES):
        first = _bound(socket.AF_INET, 0, backlog)
        try:
            return [first, *_other(first.getsockname()[1], backlog)]
        except OSError as error:  # another program has the port in the other family
            first.close()
            if error.errno != errno.EADDRINUSE or attempt == _TRIES - 1:
                raise
    raise AssertionError


def free_port() -> int:
    """A port that nothing listens on now, for a program that opens it itself. Another program may take it first."""
    sockets = listeners()
    number = port(sockets)
    for listener in sockets:
        listener.close()
    return number


def closed_port() -> int:
    """A port that refuses connections until this process ends: it is taken, and nothing listens on it."""
    sockets = listeners(backlog=None)
    _CLOSED.extend(sockets)
    return port(sockets)


def port(sockets: Sequence[socket.socket]) -> int:
    """The port of these sockets."""
    return int(sockets[0].getsockname()[1])


def _other(port: int, backlog: int | None) -> list[socket.socket]:
    try:
        _bound(socket.AF_INET6, 0, None).close()
    except OSError:  # a machine without IPv6
        return []
    return [_bound(socket.AF_INET6, port, backlog)]


def _bound(family: socket.AddressFamily, port: int, backlog: int | None) -> socket.socket:
    listener = socket.socket(family)
    try:
        if backlog is not None:  # two sockets that may reuse a port, and do not listen, may both have it
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family is socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((_HOSTS[family], port))
        if backlog is not None:
            listener.listen(backlog)
    except OSError:
        listener.close()
        raise
    return listener
