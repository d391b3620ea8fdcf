"""What drivers share with the caller's process: variables that Mistle's processes do not have, and standard error."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager

PREFIXES = (
    "AWS_",
    "BOTO",  # also a plug-in to load
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
    "PROMETHEUS_",  # also a folder to write to
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

_ALONE = threading.Lock()
_users = 0
_give_back: Callable[[], None]


def is_the_callers(name: str) -> bool:
    """Whether a package that checks use would take this variable for its own, which Mistle's processes do not have."""
    upper = name.upper()
    return upper.startswith(PREFIXES) or upper in PROXIES


def take(environ: MutableMapping[str, str]) -> dict[str, str]:
    """Remove those variables. Returns them."""
    return {name: environ.pop(name) for name in tuple(environ) if is_the_callers(name)}


@contextmanager
def isolated() -> Iterator[None]:
    """Within it the process's environment holds none of them, and what drivers log, which may be what they sent, is
    not printed where nobody has asked for it.

    Runs may overlap, in any threads: the first takes, the last gives back.
    """
    global _users, _give_back  # noqa: PLW0603 - they are the process's, as what they change
    with _ALONE:
        if not _users:
            _give_back = _taken()
        _users += 1
    try:
        yield
    finally:
        with _ALONE:
            _users -= 1
            if not _users:
                _give_back()


def _taken() -> Callable[[], None]:
    import logging

    variables, last = take(os.environ), logging.lastResort
    logging.lastResort = logging.NullHandler()

    def give_back() -> None:
        for name, value in variables.items():
            os.environ.setdefault(name, value)
        logging.lastResort = last

    return give_back
