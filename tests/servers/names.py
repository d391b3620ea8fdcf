"""A name server that answers as a script says: a real one cannot be made late, or to fail for one type of record."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from threading import Thread

_NUMBERS = count(10)
_RESPONSE, _RECURSION = 0x81, 0x80
_KINDS = {1: "A", 28: "AAAA"}


@dataclass(frozen=True)
class Answer:
    """A response's code, and its IPv4 address; sent after so many seconds, or never."""

    code: int = 0
    address: str = ""
    after: float = 0.0
    is_sent: bool = True


def answer(address: str, after: float = 0.0) -> Answer:
    """The address, for a query of type A; no address for another."""
    return Answer(address=address, after=after)


def error(code: int, after: float = 0.0) -> Answer:
    return Answer(code, after=after)


def no_address() -> Answer:
    return Answer()


def no_answer() -> Answer:
    return Answer(is_sent=False)


@contextmanager
def scripted_names(script: Callable[[str, str], Answer]) -> Iterator[str]:
    """The address of a server; the script maps a name and a type to an answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        address = f"127.53.0.{next(_NUMBERS)}"
        server.bind((address, 53))
        Thread(target=_serve, args=(server, script), daemon=True).start()
        yield address


def _serve(server: socket.socket, script: Callable[[str, str], Answer]) -> None:
    with suppress(OSError):
        while True:
            query, client = server.recvfrom(512)
            Thread(target=_reply, args=(server, query, client, script), daemon=True).start()


def _reply(server: socket.socket, query: bytes, client: object, script: Callable[[str, str], Answer]) -> None:
    end = query.index(b"\0", 12) + 5
    kind = _KINDS.get(int.from_bytes(query[end - 4 : end - 2], "big"), "")
    said = script(_name(query), kind)
    if said.is_sent:
        time.sleep(said.after)
        with suppress(OSError):
            server.sendto(_message(query[:2], query[12:end], said, kind), client)  # type: ignore[arg-type]


def _name(query: bytes) -> str:
    labels, at = [], 12
    while size := query[at]:
        labels.append(query[at + 1 : at + 1 + size].decode())
        at += size + 1
    return ".".join(labels)


def _message(number: bytes, question: bytes, said: Answer, kind: str) -> bytes:
    has_record = bool(said.address) and kind == "A"
    head = number + bytes([_RESPONSE, _RECURSION | said.code, 0, 1, 0, has_record, 0, 0, 0, 0])
    record = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + socket.inet_aton(said.address) if has_record else b""
    return head + question + record
