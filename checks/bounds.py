"""How much a server may say: more than any of its kind would, and little beside a machine's memory."""

from __future__ import annotations

import io
import socket
from http.client import HTTPResponse
from typing import Any

MOST = 2**20  # bytes on one connection, or for one answer of HTTP: what a check reads has a quarter of that
PIECES = 4096  # of one body: each costs time, however small


class Endless(OSError):
    """A server sends without end, or as good as that."""

    def __init__(self, much: str = f"{MOST // 1024} KiB") -> None:
        super().__init__(f"more than {much} came, and no end")


class BoundedSocket(socket.socket):
    """Raises Endless."""

    _left = MOST

    def recv(self, size: int, flags: int = 0) -> bytes:
        """As the socket's."""
        words = super().recv(size, flags)
        self._take(len(words))
        return words

    def recv_into(self, buffer: Any, size: int = 0, flags: int = 0) -> int:
        """As the socket's."""
        count = super().recv_into(buffer, size, flags)
        self._take(count)
        return count

    def _take(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise Endless


class BoundedResponse(HTTPResponse):
    """http.client's, for SDKs that block. It bounds what is said before and after a body, too. Raises Endless."""

    def __init__(self, connection: socket.socket, *options: Any, **more: Any) -> None:
        super().__init__(connection, *options, **more)
        self.fp: io.BufferedReader = io.BufferedReader(_Counted(self.fp))


class _Counted(io.RawIOBase):
    def __init__(self, source: io.BufferedReader) -> None:
        self._source, self._left = source, MOST

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:  # SDKs poll it
        return self._source.fileno()

    def readinto(self, buffer: Any) -> int:
        count = self._source.readinto1(buffer)
        self._left -= count
        if self._left < 0:
            raise Endless
        return count

    def close(self) -> None:
        self._source.close()
        super().close()
