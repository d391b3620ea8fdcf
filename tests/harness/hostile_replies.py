"""Replies with a text that a test chooses, in each place where a protocol allows one."""

from collections.abc import Callable

from tests.harness import answers, floods
from tests.harness.answers import Replies, reply
from tests.harness.faults import Behaviour

Place = Callable[[str], Behaviour]
"""From a text to a server that sends it in one place."""


def raw(words: str, but: str = "") -> bytes:
    """As bytes, without these characters, which would end the place that they stand in."""
    return words.translate(dict.fromkeys(map(ord, but))).encode(errors="surrogateescape")


def header(words: str) -> bytes:
    """What clients let through in a header: C1 and what is invisible, no C0."""
    return raw(words, "".join(map(chr, range(32))) + "\x7f")


def line(words: str) -> bytes:
    return raw(words, "\r\n")


def text(words: str) -> str:
    """As JSON holds them; what is no character at all it cannot."""
    return words.encode(errors="replace").decode()


def xml(words: str) -> str:
    """What XML 1.0 may hold of them, C1 and what is invisible included."""
    return "".join(
        f"&#{ord(each)};"
        for each in words
        if each >= " " and not "\ud800" <= each < "\ue000" and each not in "\uffff\ufffe"
    )


def postgres_error(words: str) -> bytes:
    fields = b"".join(field + raw(words, "\0") + b"\0" for field in (b"SFATAL\0M", b"D", b"H", b"W"))
    return floods.message(b"E", fields + b"C28000\0\0")


def s3(**headers: bytes) -> bytes:
    lines = b"".join(b"\r\n%s: %s" % (name.replace("_", "-").encode(), value) for name, value in headers.items())
    return reply("403 Forbidden", "", b"X: x" + lines)


def in_json(replies: Replies, name: str, status: str, document: Callable[[str], object]) -> Place:
    """A JSON document in the place of a good server's."""
    return lambda words: answers.http(replies, {name: (status, document(text(words)))})


def scripted(script: Callable[[str], floods.Script]) -> Place:
    return lambda words: floods.Flood(script(words))


def served(answer: Callable[[str], bytes]) -> Place:
    return lambda words: answers.always(answer(words))


def postgres_row(**changes: Callable[[str], object]) -> Place:
    return lambda words: answers.postgres(
        {"row": answers.survey(**{name: say(text(words)) for name, say in changes.items()})}
    )


def smtp(**replies: bytes) -> Place:
    """These words of the server begin with a code, and end with the hostile ones."""

    def place(words: str) -> Behaviour:
        says = {name: (lambda code=code: iter([code + b" " + line(words) + b"\r\n"])) for name, code in replies.items()}
        return floods.Flood(floods.smtp(**says))

    return place


def content_type(words: str) -> bytes:
    return reply("404 Not Found", "x", b"Content-Type: text/" + header(words) + b"\r\nServer: " + header(words))


def redirect(words: str) -> bytes:
    return reply("302 Found", "", b"Location: https://evil.test/" + header(words))
