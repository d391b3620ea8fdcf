"""Error texts of a failed login or query: read from the server's ErrorResponse or from libpq, and mapped to causes."""

from __future__ import annotations

import re

from checks.core.check import Cause, Diagnosis
from checks.core.text import foreign
from checks.net.network_errors import RESET
from checks.postgres import causes

SERVER, LIBPQ = "the server", "libpq"
_MAX_ERROR = 30_000  # bytes: libpq reads a longer first error as one of before 7.4, which is text without a length
_FIELDS = ((b"S", "{}:"), (b"M", "{}"), (b"D", "DETAIL: {}"), (b"H", "HINT: {}"))
_PROXY_ADDRESS = re.compile(r'"127\.0\.0\.1", port [0-9]+')
_PREFIX = re.compile(f"connection to server at {_PROXY_ADDRESS.pattern} failed: ")
_NO_MEMORY = re.compile("out of memory|cannot allocate memory", re.IGNORECASE)

# PgBouncer sends the code 08P01 for every error: only the text names the cause.
_SERVER_PATTERNS = (
    (r"unrecognized configuration parameter", causes.UNKNOWN_PARAMETER),
    (r"unsupported startup parameter", causes.UNKNOWN_PARAMETER),
    (r"invalid value for parameter|parameter \"\S+\" (cannot|requires)", causes.UNKNOWN_PARAMETER),
    (r"query_wait_timeout", causes.POOL_EXHAUSTED),
    (r"client_login_timeout|server login|cannot connect to server|server down|server conn", causes.POOLER_BACKEND_DOWN),
    (r"SSL required|TLS required", causes.TLS_REQUIRED),
    (r"does not support SSL", causes.TLS_REFUSED),
    (r"pg_hba\.conf", causes.NO_HBA_ENTRY),
    (r"(password|SASL) authentication failed", causes.PASSWORD_REJECTED),
    (r"role \".*\" does not exist|not permitted to log in|no such user", causes.ROLE_MISSING),
    (r"database \".*\" does not exist|no such database", causes.DATABASE_MISSING),
    (r"permission denied for database|database \".*\" is not currently accepting", causes.MAY_NOT_CONNECT),
    (r"too many (clients|connections)|connection slots|no more connections", causes.TOO_MANY_CONNECTIONS),
    (r"starting up|shutting down|recovery mode|not (yet )?accepting connections", causes.STARTING_UP),
    (r"unsupported frontend", causes.NOT_POSTGRES),
)
_LIBPQ_PATTERNS = (
    (r"no password supplied", causes.PASSWORD_REJECTED),
    (r"invalid response to SSL negotiation|expected authentication request", causes.NOT_POSTGRES),
    (r"server closed the connection|Connection reset|could not (receive|send) data|write to server failed", RESET),
)
_PATTERNS = {
    source: tuple((re.compile(pattern), cause) for pattern, cause in rows)
    for source, rows in ((SERVER, _SERVER_PATTERNS), (LIBPQ, _LIBPQ_PATTERNS))
}


def diagnosis_of(text: str, source: str, default: Cause) -> Diagnosis:
    """Map an error text of ``source`` (SERVER or LIBPQ) to its cause."""
    start = text[:1000]  # some patterns take time in proportion to the square of the length
    cause = next((cause for pattern, cause in _PATTERNS[source] if pattern.search(start)), default)
    if cause is RESET:
        return RESET.diagnosis("the connection was closed by the server")
    is_unknown = (source, cause) == (LIBPQ, default)
    hint = "act on libpq's message, and read the server's own log ({url})" if is_unknown else None
    return cause.diagnosis(f"{source} says: {foreign(text)}", hint=hint)


def server_text(head: bytes, body: bytes) -> str:
    """The text of an ErrorResponse: ``head`` is its type and length, ``body`` its fields.

    Source: protocol.html#PROTOCOL-ERROR-FIELDS.
    """
    if not 8 <= int.from_bytes(head[1:], "big") <= _MAX_ERROR:  # a postmaster that cannot fork sends text alone
        return (head[1:] + body).partition(b"\0")[0].decode(errors="replace")
    fields = {field[:1]: field[1:].decode(errors="replace") for field in body.split(b"\0")}
    return " ".join(form.format(fields[code]) for code, form in _FIELDS if code in fields)


def is_readable(missing: int) -> bool:
    """Whether an error can be read of which ``missing`` bytes are still to come.

    An error of text alone has no length: what is read as its length is text, and gives a huge number.
    """
    return not 0 < missing <= _MAX_ERROR


def libpq_text(text: str) -> str:
    """libpq's error text without the address of the proxy, which no operator knows.

    Raises MemoryError when libpq had no memory.
    """
    if _NO_MEMORY.search(text):
        raise MemoryError(text)
    return _PROXY_ADDRESS.sub("the server", _PREFIX.sub("", text))
