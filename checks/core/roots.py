"""The certificates that Mistle's runtime trusts: read once, within a limit of bytes and time, and shared by all."""

from __future__ import annotations

import math
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import certifi

from checks.core import files

_MOST = 16 * 2**20  # bytes of certificates: Mozilla's list has a quarter of a million
_AT_ONCE = 50  # certificates: OpenSSL's work for each grows with those that are there
_SECONDS = 10.0


@dataclass(frozen=True)
class Trust:
    """Mozilla's roots and the operator's own, as Node.js takes them; not the system's store.

    A context is made when it is first asked for, which may take as long as a file takes to be read, unless ``load`` has
    made it before.
    """

    extra: Path | None = None
    only: str = ""  # a file that takes the place of all of them

    @cached_property
    def verified(self) -> ssl.SSLContext:
        """Chain, host name and dates are verified."""
        return self._verifying(self._own(_SECONDS))

    @cached_property
    def web(self) -> ssl.SSLContext:
        """The same, for HTTP, which packages write into it (ALPN): no other server is to be told that."""
        return self._verifying(self._own(_SECONDS))

    @cached_property
    def unverified(self) -> ssl.SSLContext:
        """TLS without a look at the server's certificate."""
        context = _context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context

    def load(self, seconds: float) -> None:
        """Make both contexts that verify, within so many seconds. Blocks. Raises files.UnreadableFile."""
        ends = time.monotonic() + seconds
        own = self._own(seconds)
        for name in ("verified", "web"):
            self.__dict__[name] = self._verifying(own, ends)

    def _own(self, seconds: float) -> tuple[str, ...]:
        file = Path(self.only) if self.only else self.extra
        return tuple(_blocks(files.read(file, _MOST, seconds))) if file else ()

    def _verifying(self, own: tuple[str, ...], ends: float = math.inf) -> ssl.SSLContext:
        context = _context()
        if not self.only:
            context.load_verify_locations(certifi.where())
        _add(context, own, ends)
        return context


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _blocks(pem: bytes) -> Iterator[str]:
    """Its certificates. Raises files.UnreadableFile."""
    found = False
    for part in pem.split(b"-----BEGIN ")[1:]:
        body, end, _ = part.partition(b"-----END ")
        label, _, data = body.partition(b"-----")
        if end and label.endswith(b"CERTIFICATE"):
            found = True
            yield f"-----BEGIN {_ascii(label)}-----{_ascii(data)}-----END {_ascii(label)}-----\n"
    if not found:
        raise files.UnreadableFile("holds no PEM certificates")


def _ascii(text: bytes) -> str:
    return text.decode("ascii", "replace").replace("\ufffd", "?")


def _add(context: ssl.SSLContext, blocks: tuple[str, ...], ends: float) -> None:
    try:
        for start in range(0, len(blocks), _AT_ONCE):
            if time.monotonic() > ends:
                raise files.UnreadableFile(f"holds {len(blocks)} certificates, which take too long to read")
            context.load_verify_locations(cadata="".join(blocks[start : start + _AT_ONCE]))
    except (ssl.SSLError, ValueError) as error:
        raise files.UnreadableFile("holds no PEM certificates") from error
