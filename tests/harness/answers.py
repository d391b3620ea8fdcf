"""Servers that reply as healthy ones do, except for the replies that a test changes."""

import json
import socket
from collections import ChainMap
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from tests.harness import floods
from tests.harness.faults import Behaviour

TOKEN = "internal-token-0123456789abcdef"
Answer = tuple[str, Any]
"""A status and a JSON document."""


@dataclass(frozen=True)
class Replies:
    """The replies of a healthy server over HTTP, by name. `asked`: a part of a request, and the name of its reply."""

    good: Mapping[str, Answer]
    asked: tuple[tuple[str, str], ...]


SURVEY: Mapping[str, Any] = {
    "pid": 0,
    "client_port": None,
    "started": "1700000000.5",
    "system": "7300000000000000000",
    "database": 16384,
    "name": "mistle",
    "recovery": False,
    "read_only": False,
    "read_only_by": None,
    "max_connections": 100,
    "may_create": True,
    "max": 97,
    "used": 7,
    "database_limit": -1,
    "database_used": 2,
    "role": "mistle",
    "role_limit": -1,
    "role_used": 1,
    "schemas": {"control_plane": True, "control_plane_meta": True, "control_plane_openworkflow": True},
    "closed": None,
    "not_owned": None,
    "hidden": None,
    "bridges": None,
    "encoding": "UTF8",
    "timeouts": {"statement_timeout": 0, "lock_timeout": 0},
    "event_triggers": None,
    "recorded": [
        ["control_plane_meta", "schema_migrations", "r", 1],
        ["control_plane_openworkflow", "openworkflow_migrations", "r", 4],
    ],
    "workflow_tables": [
        ["control_plane_openworkflow", "workflow_runs"],
        ["control_plane_openworkflow", "step_attempts"],
    ],
    "populated": ["control_plane"],
    "unusable": None,
    "locked": None,
    "ciphertexts": None,
}


def reply(status: str, body: str | bytes = "", headers: str | bytes = "Content-Type: application/json") -> bytes:
    """The bytes of a complete HTTP reply."""
    content = body.encode() if isinstance(body, str) else body
    lines = headers.encode() if isinstance(headers, str) else headers
    return b"HTTP/1.1 %s\r\n%s\r\nContent-Length: %d\r\n\r\n%s" % (status.encode(), lines, len(content), content)


def http(replies: Replies | None, changes: MutableMapping[str, Answer | bytes]) -> Behaviour:
    """A healthy server with these replies changed; a test may change them while it serves."""
    assert replies, "the target's descriptor has no replies"
    answers = ChainMap(changes, replies.good)

    def serve(connection: socket.socket) -> None:
        while request := request_from(connection):
            name = next(name for part, name in replies.asked if part in request)
            answer = answers[name]
            connection.sendall(answer if isinstance(answer, bytes) else reply(answer[0], json.dumps(answer[1])))

    return serve


def always(answer: bytes) -> Behaviour:
    """The same reply to every request."""

    def serve(connection: socket.socket) -> None:
        while request := request_from(connection):
            connection.sendall(to(request, answer))

    return serve


def to(request: str, answer: bytes) -> bytes:
    """The reply to this request; without the body if it is HEAD."""
    return answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if request.startswith("HEAD ") else answer


def postgres(answers: Mapping[str, str]) -> Behaviour:
    """Accepts any login, and replies to the query with the ``row``."""

    def replies() -> Iterator[bytes]:
        row = answers["row"].encode()
        yield floods.DESCRIBED + floods.message(b"D", b"\0\1" + len(row).to_bytes(4, "big") + row)
        yield floods.message(b"C", b"SELECT 1\0") + floods.READY

    return floods.Flood(floods.at_query(replies))


def server_state(**changes: object) -> str:
    """The row of a healthy Postgres, with these changes."""
    return json.dumps({**SURVEY, **changes})


def valkey(info: bytes, written: bytes = floods.WRITTEN) -> Behaviour:
    """Accepts every command, and sends this as INFO."""
    return floods.Flood(floods.after(65536, lambda: iter([written + b"$%d\r\n%s\r\n" % (len(info), info)])))


def request_from(connection: socket.socket) -> str:
    """The next HTTP request; "" if there is none."""
    return read_request(connection).decode()


def read_request(connection: socket.socket) -> bytes:
    """The bytes of the next HTTP request, as many as come; b"" if there is none."""
    request = b""
    while b"\r\n\r\n" not in request:
        if not (part := connection.recv(65536)) or part.startswith(b"\x16"):  # a ClientHello of TLS
            return b""
        request += part
    head, _, body = request.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    missing = int(lengths[0].partition(b":")[2]) - len(body) if lengths else 0
    while missing > 0 and (part := connection.recv(65536)):
        request, missing = request + part, missing - len(part)
    return request
