"""Replies with a text that a test chooses, in each place where a protocol allows one."""

from collections.abc import Callable

from tests.harness import answers, floods
from tests.harness.answers import Replies, reply
from tests.harness.faults import Behaviour

Place = Callable[[str], Behaviour]
"""From a text to a server that sends it in one place."""


def raw(hostile: str, but: str = "") -> bytes:
    """The text as bytes, without these characters, which would end the field."""
    return hostile.translate(dict.fromkeys(map(ord, but))).encode(errors="surrogateescape")


def header(hostile: str) -> bytes:
    """The part of the text that clients accept in a header: C1 and invisible characters, no C0."""
    return raw(hostile, "".join(map(chr, range(32))) + "\x7f")


def line(hostile: str) -> bytes:
    return raw(hostile, "\r\n")


def text(hostile: str) -> str:
    """The text as JSON can hold it: lone surrogates are replaced."""
    return hostile.encode(errors="replace").decode()


def xml(hostile: str) -> str:
    """The part of the text that XML 1.0 may hold, with C1 and invisible characters."""
    return "".join(
        f"&#{ord(each)};"
        for each in hostile
        if each >= " " and not "\ud800" <= each < "\ue000" and each not in "\uffff\ufffe"
    )


def postgres_error(hostile: str) -> bytes:
    fields = b"".join(field + raw(hostile, "\0") + b"\0" for field in (b"SFATAL\0M", b"D", b"H", b"W"))
    return floods.message(b"E", fields + b"C28000\0\0")


def in_json(replies: Replies, name: str, status: str, document: Callable[[str], object]) -> Place:
    """A JSON document in place of a healthy server's."""
    return lambda hostile: answers.http(replies, {name: (status, document(text(hostile)))})


def scripted(script: Callable[[str], floods.Script]) -> Place:
    return lambda hostile: floods.Flood(script(hostile))


def served(answer: Callable[[str], bytes]) -> Place:
    return lambda hostile: answers.always(answer(hostile))


def postgres_row(**changes: Callable[[str], object]) -> Place:
    return lambda hostile: answers.postgres(
        {"row": answers.server_state(**{name: value(text(hostile)) for name, value in changes.items()})}
    )


def smtp(**replies: bytes) -> Place:
    """These replies begin with a code, and end with the text."""

    def serve(hostile: str) -> Behaviour:
        scripts = {
            name: (lambda code=code: iter([code + b" " + line(hostile) + b"\r\n"])) for name, code in replies.items()
        }
        return floods.Flood(floods.smtp(**scripts))

    return serve


def content_type(hostile: str) -> bytes:
    return reply("404 Not Found", "x", b"Content-Type: text/" + header(hostile) + b"\r\nServer: " + header(hostile))


def redirect(hostile: str) -> bytes:
    return reply("302 Found", "", b"Location: https://evil.test/" + header(hostile))
