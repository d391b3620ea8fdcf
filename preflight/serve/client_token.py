"""The token that a client must send."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from checks.core import files

VARIABLE = "MISTLE_PREFLIGHT_TOKEN"
_MAX_BYTES = 4096
_ALLOWED = re.compile(r"[!-~]{16,}")  # what an Authorization header can hold, and too long to be guessed


class TokenError(Exception):
    """There is no usable token. The message does not quote it."""


@dataclass(frozen=True)
class Token:
    """Keeps only a digest: to compare digests takes the same time, whatever the length of the text that was sent."""

    _digest: bytes = field(repr=False)

    def is_shown_in(self, authorization: str) -> bool:
        """Whether this header holds the token: as Bearer, or as the password of Basic, which browsers ask for."""
        scheme, _, value = authorization.partition(" ")
        shown = _READERS.get(scheme.lower(), _none)(value)
        return hmac.compare_digest(_digest(shown), self._digest)


def read(file: Path | None, environ: Mapping[str, str], seconds: float) -> Token | None:
    """The token in the file, else in the variable; None if neither is given. Raises TokenError."""
    if file is None and VARIABLE not in environ:
        return None
    source = f"--token-file: {file}" if file else VARIABLE
    text = _contents(file, source, seconds) if file else environ[VARIABLE]
    if not _ALLOWED.fullmatch(text.strip()):
        raise TokenError(f"{source}: a token has at least 16 characters of ASCII, without white space")
    return Token(_digest(text.strip()))


def _contents(file: Path, source: str, seconds: float) -> str:
    try:
        return files.read(file, _MAX_BYTES, seconds).decode(errors="replace")
    except files.UnreadableFile as error:
        raise TokenError(f"{source} {error}") from None


def _password(value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[2]
    except (binascii.Error, ValueError):
        return ""


def _none(_: str) -> str:
    return ""


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="surrogateescape")).digest()


_READERS: Mapping[str, Callable[[str], str]] = {"bearer": str.strip, "basic": _password}
