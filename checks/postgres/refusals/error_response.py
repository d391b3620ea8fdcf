"""Reads a server's ErrorResponse, in whatever language and encoding it comes.

Before the login, the server writes messages in the encoding of its own locale: nothing in the protocol names it.
"""

from __future__ import annotations

from checks.postgres.refusals import SERVER, Refusal

_MAX_ERROR = 30_000  # bytes: libpq reads a longer first error as one of before 7.4, which is text without a length
_FIELDS = (("V", "{}:"), ("M", "{}"), ("D", "DETAIL: {}"), ("H", "HINT: {}"))
_ENCODINGS = ("utf-8", "euc_jp", "latin-1")  # the first without an error; every text is valid in the last one
_CYRILLIC = ("koi8-r", "iso8859-5", "cp1251")
_SEVERITIES = ("ВАЖНО", "ОШИБКА", "ПАНИКА", "ФАТАЛЬНО", "ПОМИЛКА")  # Russian and Ukrainian


def parse_refusal(head: bytes, body: bytes, requests: tuple[int, ...] = ()) -> Refusal:
    """The ErrorResponse: ``head`` is its type and length, ``body`` its fields.

    Source: protocol.html#PROTOCOL-ERROR-FIELDS.
    """
    if not 8 <= int.from_bytes(head[1:], "big") <= _MAX_ERROR:  # a postmaster that cannot fork sends text alone
        return Refusal((head[1:] + body).partition(b"\0")[0].decode(errors="replace"), SERVER)
    encoding = _encoding(body)
    fields = {field[:1]: field[1:] for field in body.decode(encoding, errors="replace").split("\0")}
    severity = {"V": fields.get("V") or fields.get("S", "")}
    return Refusal(
        " ".join(form.format(text) for code, form in _FIELDS if (text := (fields | severity).get(code))),
        SERVER,
        fields.get("C", ""),
        fields.get("R", ""),
        "V" not in fields,
        requests,
    )


def is_readable(missing: int) -> bool:
    """Whether an error can be read of which ``missing`` bytes are still to come.

    An error of text alone has no length: what is read as its length is text, and gives a huge number.
    """
    return not 0 < missing <= _MAX_ERROR


def _encoding(body: bytes) -> str:
    severity = body.partition(b"\0")[0][1:]
    for encoding in _CYRILLIC:
        if severity.decode(encoding, errors="replace") in _SEVERITIES:
            return encoding
    return next(filter(lambda encoding: _fits(body, encoding), _ENCODINGS))


def _fits(body: bytes, encoding: str) -> bool:
    try:
        body.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
