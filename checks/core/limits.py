"""Limits on what a server may send: more than any server of the kinds here sends, and little for a machine's memory."""

from __future__ import annotations

import io
import socket
from http.client import BadStatusLine, HTTPResponse, RemoteDisconnected
from typing import Any

MAX_BYTES = 2**20  # of one connection, or of one HTTP reply: four times what a check needs
MAX_CHUNKS = 4096  # of one response body: each costs time, however small


class ResponseTooLarge(OSError):
    """A server sent more than a check reads, perhaps without end."""

    def __init__(self, amount: str = f"{MAX_BYTES // 1024} KiB") -> None:
        super().__init__(f"the server sent more than {amount}")


class BoundedResponse(HTTPResponse):
    """http.client's reply, for SDKs that block. Raises ResponseTooLarge; status line, headers and trailers count too.

    If the connection closes among the headers, that is a closed connection, as in a body, not a reply with fewer
    headers.
    """

    def __init__(self, connection: socket.socket, *options: Any, **more: Any) -> None:
        super().__init__(connection, *options, **more)
        self.fp: _Lines = _Lines(_Counted(self.fp))

    def begin(self) -> None:
        """As the base class; raises RemoteDisconnected for a reply that ends before its body."""
        lines = self.fp
        try:
            super().begin()
        except BadStatusLine as error:
            if lines.are_incomplete and b"HTTP/".startswith(lines.last[:5]):
                raise RemoteDisconnected("closed within the status line") from error
            raise
        if lines.are_incomplete:
            raise RemoteDisconnected("closed among the headers")


class _Lines(io.BufferedReader):
    last = b""

    def readline(self, size: int | None = -1) -> bytes:
        self.last = super().readline(size)
        return self.last

    @property
    def are_incomplete(self) -> bool:
        return not self.last.endswith(b"\n")


class _Counted(io.RawIOBase):
    def __init__(self, source: io.BufferedReader) -> None:
        self._source, self._left = source, MAX_BYTES

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:  # SDKs poll it
        return self._source.fileno()

    def readinto(self, buffer: Any) -> int:
        count = self._source.readinto1(buffer)
        self._left -= count
        if self._left < 0:
            raise ResponseTooLarge
        return count

    def close(self) -> None:
        self._source.close()
        super().close()
