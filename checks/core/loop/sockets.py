"""The sockets of the event loop: they note how long the server took, and receive no more than a limit."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from checks.core.limits import MAX_BYTES, ResponseTooLarge
from checks.core.loop import waits
from checks.core.loop.waits import Waits

_TIMESTAMP = 35  # SO_TIMESTAMPNS of Linux, which the module socket does not name: the kernel's time of each arrival
_ONE_TIMESTAMP = socket.CMSG_SPACE(struct.calcsize("@ll"))
_TCP_INFO, _LINUX_RTT, _LINUX_RETRANSMITTED = 256, 68, 100  # bytes; offsets in struct tcp_info of linux/tcp.h
_MACS_INFO, _MACS_RTT = (0x106, 128), 44  # TCP_CONNECTION_INFO of netinet/tcp.h; tcpi_srtt, in milliseconds


class CheckSocket(socket.socket):
    """A connected socket of a check. It notes each wait, from the first byte sent to the arrival of the reply.

    Reads raise ResponseTooLarge after MAX_BYTES.
    """

    _left = MAX_BYTES
    _ancillary = 0  # bytes: none for a Unix socket, through which a server could send open files
    _has_sent = False
    _since = 0.0
    _waits: Waits | None = None

    def note_waits(self, since: float) -> None:
        """The connection has been open ``since`` then. A server may send first: that wait counts too."""
        self._waits = waits.current()
        if sys.platform == "linux" and self.family != socket.AF_UNIX:
            with suppress(OSError):
                self.setsockopt(socket.SOL_SOCKET, _TIMESTAMP, 1)
                self._ancillary = _ONE_TIMESTAMP
        self._since = since

    def send(self, data: Any, flags: int = 0) -> int:
        self._note_sent()
        return super().send(data, flags)

    def sendall(self, data: Any, flags: int = 0) -> None:
        self._note_sent()
        super().sendall(data, flags)

    def sendmsg(self, *arguments: Any) -> int:
        self._note_sent()
        return super().sendmsg(*arguments)

    def recv(self, size: int, flags: int = 0) -> bytes:
        """As the base class, but raises ResponseTooLarge."""
        received, ancillary, _, _ = super().recvmsg(size, self._ancillary, flags)
        self._note_received(len(received), ancillary)
        return received

    def recv_into(self, buffer: Any, size: int = 0, flags: int = 0) -> int:
        """As the base class, but raises ResponseTooLarge."""
        view = memoryview(buffer)[: size or None]
        count, ancillary, _, _ = super().recvmsg_into([view], self._ancillary, flags)
        self._note_received(count, ancillary)
        return count

    def _note_sent(self) -> None:
        if not self._has_sent:
            self._has_sent, self._since = True, time.monotonic()

    def _note_received(self, count: int, ancillary: Iterable[tuple[int, int, bytes]]) -> None:
        if self._waits:
            arrived = max(self._since, time.monotonic() - _age(ancillary))
            self._waits.add(self._since, arrived)
            self._has_sent, self._since = False, arrived
        self._left -= count
        if self._left < 0:
            raise ResponseTooLarge


def _age(ancillary: Iterable[tuple[int, int, bytes]]) -> float:
    """Seconds since the kernel received these bytes; 0 if it does not report that."""
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, _TIMESTAMP):
            seconds, nanoseconds = struct.unpack("@ll", data[: struct.calcsize("@ll")])
            return float(max(0.0, time.time() - seconds - nanoseconds / 1e9))
    return 0.0


async def connected_to(family: int, address: Any) -> CheckSocket:
    """A connection that notes its waits, for a driver that takes a socket. Raises OSError."""
    connection = CheckSocket(family, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, address)
    except BaseException:
        connection.close()
        raise
    connection.note_waits(time.monotonic())
    return connection


def noted(connected: socket.socket, begun: float) -> CheckSocket:
    """The same connection, which now notes its waits. The first wait began at ``begun``: it made the connection."""
    now, took, limit = time.monotonic(), round_trip(connected), connected.gettimeout()
    opened = now if took is None else min(now, begun + took)
    waits.add(begun, opened)
    if took is not None and (of_check := waits.current()):
        of_check.add_round_trip(took)
    checked = CheckSocket(fileno=connected.detach())
    checked.settimeout(limit)
    checked.note_waits(opened)
    return checked


def round_trip(connected: socket.socket) -> float | None:
    """The kernel's measure, in seconds, of the round trip that made this TCP connection; None where it has none.

    It has none for a Unix socket, on other systems, and where a packet had to be sent again.
    """
    with suppress(OSError, struct.error):
        if sys.platform == "linux":
            info = connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO)
            (microseconds,) = struct.unpack_from("@I", info, _LINUX_RTT)
            (retransmitted,) = struct.unpack_from("@I", info, _LINUX_RETRANSMITTED)
            return None if retransmitted or not microseconds else float(microseconds / 1e6)
        if sys.platform == "darwin":
            info = connected.getsockopt(socket.IPPROTO_TCP, *_MACS_INFO)
            (milliseconds,) = struct.unpack_from("@I", info, _MACS_RTT)
            return float(milliseconds / 1e3)
    return None
