"""A Docker Engine with other answers: what no real one can be made to say, on top of all that a real one says."""

import http.client
import json
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

Answer = tuple[int, Any]
Change = Callable[[Answer], Answer]


def saying(**values: object) -> Change:
    """The same answer with these of its values changed."""
    return lambda answer: (answer[0], answer[1] | values)


def refusing(status: int, words: str) -> Change:
    """Another answer, in Docker's form of an error."""
    return lambda _: (status, {"message": words})


def late(seconds: float) -> Change:
    """The same answer, after this time."""
    return lambda answer: (time.sleep(seconds), answer)[1]


@contextmanager
def changed_engine(upstream: Path, changes: Mapping[str, Change]) -> Iterator[Path]:
    """A socket where `changes`, by method and the beginning of the path after its version, befall the real answers."""
    with TemporaryDirectory() as folder, _Server(str(Path(folder, "docker.sock")), _Relay) as server:
        server.upstream, server.changes = upstream, changes
        thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield Path(folder, "docker.sock")
        server.shutdown()


class _Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True
    block_on_close = False
    upstream: Path
    changes: Mapping[str, Change]

    def handle_error(self, *_: object) -> None:
        """Clients that go away are no news."""


class _Relay(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _relay(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, answer = self._changed(self._ask(body))
        content = b"" if status == 204 else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if content:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_DELETE = _relay  # noqa: N815

    def _ask(self, body: bytes) -> Answer:
        connection = _Connection(self.server.upstream)
        connection.request(self.command, self.path, body or None, dict(self.headers))
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, json.loads(content) if content else {}

    def _changed(self, answer: Answer) -> Answer:
        path = "/" + self.path.removeprefix("/v").partition("/")[2] if self.path.startswith("/v1.") else self.path
        for start, change in self.server.changes.items():
            if f"{self.command} {path}".startswith(start):
                answer = change(answer)
        return answer

    def log_message(self, *_: object) -> None:
        """Quiet."""


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost")
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self.path))
