"""The caller's variables that a driver would read, and that Mistle's processes do not have."""

from __future__ import annotations

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


def _is_the_callers(name: str) -> bool:
    return name.startswith(_PREFIXES) or name.upper() in _PROXIES
