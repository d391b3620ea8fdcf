"""What drivers share with the caller's process: variables that Mistle's processes do not have, and standard error."""

from __future__ import annotations

import logging
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager

_PREFIXES = ("PG", "AWS_", "DOCKER_", "E2B_", "SSL_CERT_", "SSLKEYLOGFILE", "REQUESTS_CA_", "CURL_CA_")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@contextmanager
def isolated(environ: MutableMapping[str, str]) -> Iterator[None]:
    """Meanwhile ``environ``, the process's own, holds none of them: the caller's shell changes no verdict."""
    taken = {name: environ.pop(name) for name in tuple(environ) if _is_the_callers(name)}
    try:
        yield
    finally:
        environ.update(taken)


@contextmanager
def silenced() -> Iterator[None]:
    """Meanwhile what drivers log, which may be what they sent, is not printed for want of another place."""
    last, logging.lastResort = logging.lastResort, logging.NullHandler()
    try:
        yield
    finally:
        logging.lastResort = last


def _is_the_callers(name: str) -> bool:
    return name.startswith(_PREFIXES) or name.upper() in _PROXIES
