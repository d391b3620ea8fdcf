"""Isolates drivers from the caller's process: from variables that Mistle's processes do not have, and from its log."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager

PREFIXES = (
    "AWS_",
    "BOTO",  # may name a plug-in to load
    "CRYPTOGRAPHY_",
    "CURL_CA_",
    "DATABRICKS_",
    "DOCKER_",
    "E2B_",
    "FORCE_COLOR",
    "JSON_SCHEMA_",
    "JUPYTER_",
    "NETRC",
    "OPENSSL_",
    "OTEL_",
    "PG",
    "PROMETHEUS_",  # may name a folder to write to
    "PROTOCOL_BUFFERS_",
    "PSYCOPG_",
    "REQUESTS_CA_",
    "SSLKEYLOGFILE",
    "SSL_CERT_",
    "TEMPORARILY_DISABLE_PROTOBUF_",
    "TTY_",
    "UNICODE_VERSION",
    "WEBSOCKETS_",
    "_X_AMZN_",
)
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")

_LOCK = threading.Lock()
_users = 0
_restore: Callable[[], None]


def is_the_callers(name: str) -> bool:
    """Whether a package that checks use reads this variable, and Mistle's processes do not have it."""
    upper = name.upper()
    return upper.startswith(PREFIXES) or upper in PROXIES


def take(environ: MutableMapping[str, str]) -> dict[str, str]:
    """Remove the variables of ``is_the_callers``. Returns them."""
    return {name: environ.pop(name) for name in tuple(environ) if is_the_callers(name)}


@contextmanager
def isolated() -> Iterator[None]:
    """Inside the block, the environment has none of these variables, and only the caller's handlers print logs.

    Logs may hold what a driver sent. Blocks may overlap, in any threads: the first one isolates, the last one restores.
    """
    global _users, _restore  # noqa: PLW0603 - the environment is the whole process's
    with _LOCK:
        if not _users:
            _restore = _isolate()
        _users += 1
    try:
        yield
    finally:
        with _LOCK:
            _users -= 1
            if not _users:
                _restore()


def _isolate() -> Callable[[], None]:
    import logging

    variables, last = take(os.environ), logging.lastResort
    logging.lastResort = logging.NullHandler()

    def restore() -> None:
        for name, value in variables.items():
            os.environ.setdefault(name, value)
        logging.lastResort = last

    return restore
