"""Who says why a login or a query failed: the server, in its ErrorResponse, or libpq, in words of its own."""

from __future__ import annotations

import re

SERVER, LIBPQ = "the server", "libpq"
_LONGEST = 30_000  # bytes: what libpq takes for a message of today; anything else is one of before 7.4
_SHOWN = ((b"S", "{}:"), (b"M", "{}"), (b"D", "DETAIL: {}"), (b"H", "HINT: {}"))
_PREFIX = re.compile(r'connection to server on socket "[^"]*" failed: ')
_RELAY = re.compile(r'"?@mistle-preflight-[^"\s:]*"?')
_NO_MEMORY = re.compile("out of memory|cannot allocate memory", re.IGNORECASE)


def of_server(head: bytes, body: bytes) -> str:
    """The words of an ErrorResponse: its type and length, and its fields (protocol.html#PROTOCOL-ERROR-FIELDS)."""
    if not 8 <= int.from_bytes(head[1:], "big") <= _LONGEST:  # a postmaster that cannot fork sends the words alone
        return (head[1:] + body).partition(b"\0")[0].decode(errors="replace")
    fields = {field[:1]: field[1:].decode(errors="replace") for field in body.split(b"\0")}
    return " ".join(form.format(fields[code]) for code, form in _SHOWN if code in fields)


def is_whole(left: int) -> bool:
    """Whether an error of which so many bytes are still to come can be read: words alone have no length."""
    return not 0 < left <= _LONGEST


def of_libpq(words: str) -> str:
    """The words without the address of our relay, which means nothing to anyone. Raises MemoryError for its lack."""
    if _NO_MEMORY.search(words):
        raise MemoryError(words)
    return _RELAY.sub("the server", _PREFIX.sub("", words))
