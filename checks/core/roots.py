"""The certificates that Mistle's runtime trusts: read once, within limits of size and time, for all checks."""

from __future__ import annotations

import math
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import certifi

from checks.core import files

_MAX_BYTES = 16 * 2**20  # of certificates: Mozilla's list has 250,000
_BATCH = 50  # certificates: OpenSSL's time for each grows with the number already loaded
_SECONDS = 10.0
# Node.js' tls.DEFAULT_CIPHERS for TLS 1.2, at the security level of its OpenSSL: without it, Python refuses AES128-SHA.
_CIPHERS = (
    "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:DHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-SHA256:DHE-RSA-AES128-SHA256:"
    "ECDHE-RSA-AES256-SHA384:DHE-RSA-AES256-SHA384:ECDHE-RSA-AES256-SHA256:DHE-RSA-AES256-SHA256:"
    "HIGH:!aNULL:!eNULL:!EXPORT:!DES:!RC4:!MD5:!PSK:!SRP:!CAMELLIA:@SECLEVEL=2"
)


@dataclass(frozen=True)
class Trust:
    """Mozilla's roots and the operator's, as Node.js trusts them; not the system's store.

    A context is made at its first use, which may take as long as reading a file, unless ``load`` has made it before.
    """

    extra: Path | None = None
    only: str = ""  # a file that replaces all other roots
    own: tuple[str, str] = ("", "")  # files of the certificate and the key that the client shows, if a server asks
    any_host: bool = False  # ``verified`` too does not compare the host name
    alpn: tuple[str, ...] = ()

    def __reduce__(self) -> tuple[type[Trust], tuple[object, ...]]:
        """Another process makes contexts of its own."""
        return Trust, (self.extra, self.only, self.own, self.any_host, self.alpn)

    def variant(self, **changes: Any) -> Trust:
        """The same with other fields. Certificates that are read already are not read again."""
        other = replace(self, **changes)
        if not other.only and "_operators" in self.__dict__:
            other.__dict__["_operators"] = self._operators
        return other

    @cached_property
    def verified(self) -> ssl.SSLContext:
        """Verifies chain, host name and dates."""
        return self._verifying(self._operators)

    @cached_property
    def web(self) -> ssl.SSLContext:
        """As ``verified``, for HTTP only: the packages add ALPN to it, and only HTTP servers may be offered HTTP."""
        return self._verifying(self._operators)

    @cached_property
    def any_name(self) -> ssl.SSLContext:
        """Verifies chain and dates, not the host name."""
        context = self._verifying(self._operators)
        context.check_hostname = False
        return context

    @cached_property
    def unverified(self) -> ssl.SSLContext:
        """Does not verify the server's certificate."""
        context = self._context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context

    def load(self, seconds: float) -> None:
        """Make both verifying contexts within ``seconds``. Blocks. Raises files.UnreadableFile."""
        ends = time.monotonic() + seconds
        self.__dict__["_operators"] = operators = self.__dict__.get("_operators") or self._read(seconds)
        for name in ("verified", "web"):
            self.__dict__[name] = self._verifying(operators, ends)

    def try_out(self, seconds: float) -> None:
        """Read the operator's certificates within ``seconds``, and use none. Blocks. Raises files.UnreadableFile."""
        ends = time.monotonic() + seconds
        _add(self._context(), self._read(seconds), ends)

    def load_own(self, seconds: float) -> None:
        """Try the files of ``own`` within ``seconds``. Blocks. Raises files.UnreadableFile."""
        for file in map(Path, filter(None, self.own)):
            files.read(file, _MAX_BYTES, seconds / 2)
            if file.is_fifo():  # Python reads it once more
                raise files.UnreadableFile("is a pipe: name a file")
        self._context()

    @cached_property
    def _operators(self) -> tuple[str, ...]:
        """The operator's certificates, read once: a pipe has them only once."""
        return self._read(_SECONDS)

    def _read(self, seconds: float) -> tuple[str, ...]:
        file = Path(self.only) if self.only else self.extra
        return tuple(_blocks(files.read(file, _MAX_BYTES, seconds))) if file else ()

    def _verifying(self, operators: tuple[str, ...], ends: float = math.inf) -> ssl.SSLContext:
        context = self._context()
        context.check_hostname = not self.any_host
        if not self.only:
            context.load_verify_locations(certifi.where())
        _add(context, operators, ends)
        return context

    def _context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(_CIPHERS)
        if self.alpn:
            context.set_alpn_protocols(list(self.alpn))
        if all(self.own):
            _show(context, *self.own)
        return context


def _show(context: ssl.SSLContext, certificate: str, key: str) -> None:
    try:
        context.load_cert_chain(certificate, key, password="")  # "": does not ask the terminal
    except (OSError, ValueError) as error:  # an ssl.SSLError is an OSError
        raise files.UnreadableFile("holds no certificate, or not its key") from error


def _blocks(pem: bytes) -> Iterator[str]:
    """The certificates in a PEM file. Raises files.UnreadableFile if there are none."""
    has_any = False
    for part in pem.split(b"-----BEGIN ")[1:]:
        body, end, _ = part.partition(b"-----END ")
        label, _, data = body.partition(b"-----")
        if end and label.endswith(b"CERTIFICATE"):
            has_any = True
            yield f"-----BEGIN {_ascii(label)}-----{_ascii(data)}-----END {_ascii(label)}-----\n"
    if not has_any:
        raise files.UnreadableFile("holds no PEM certificates")


def _ascii(text: bytes) -> str:
    return text.decode("ascii", "replace").replace("\ufffd", "?")


def _add(context: ssl.SSLContext, blocks: tuple[str, ...], ends: float) -> None:
    try:
        for start in range(0, len(blocks), _BATCH):
            if time.monotonic() > ends:
                raise files.UnreadableFile(f"holds {len(blocks)} certificates, which take too long to read")
            context.load_verify_locations(cadata="".join(blocks[start : start + _BATCH]))
    except (ssl.SSLError, ValueError) as error:
        raise files.UnreadableFile("holds no PEM certificates") from error
