"""A real Docker Engine behind a proxy that changes some replies to those that no engine can be made to send."""

import http.client
import json
import re
import socket
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

VERSION = re.compile(r"^/v[\d.]+")
Answer = tuple[int, Any]
Change = Callable[[Callable[[], Answer]], Answer]
"""Called instead of the engine, with a function that calls the engine."""


def with_values(**values: object) -> Change:
    """The same reply with these values changed."""

    def change(ask: Callable[[], Answer]) -> Answer:
        status, answer = ask()
        return status, answer | values

    return change


def refusing(status: int, message: str) -> Change:
    """An error in Docker's form; the engine does not get the call."""
    return lambda _ask: (status, {"message": message})


def late(seconds: float) -> Change:
    """The engine acts at once; its reply comes after this time."""

    def wait(ask: Callable[[], Answer]) -> Answer:
        answer = ask()
        time.sleep(seconds)
        return answer

    return wait


def changed_engine(upstream: Path, changes: Mapping[str, Change]) -> AbstractContextManager[Path]:
    """A socket where `changes`, by method and beginning of the path without a version, replace the real replies."""
    return _engine(upstream, lambda call: next((changes[start] for start in changes if call.startswith(start)), _same))


def filtered_engine(upstream: Path, allowed: Collection[str]) -> AbstractContextManager[Path]:
    """A socket that lets these calls through, such as `GET /networks/{name}`, and refuses all others."""
    patterns = [re.sub(r"\\{\w+\\}", "[^?]+", re.escape(call)) for call in allowed]
    forbidden = refusing(403, "Request forbidden by administrative rules.")

    def choose(call: str) -> Change:
        return _same if any(re.fullmatch(pattern, call.partition("?")[0]) for pattern in patterns) else forbidden

    return _engine(upstream, choose)


@contextmanager
def _engine(upstream: Path, choose: Callable[[str], Change]) -> Iterator[Path]:
    with TemporaryDirectory() as folder, _Server(str(Path(folder, "docker.sock")), _Relay) as server:
        server.upstream, server.choose = upstream, choose
        thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield Path(folder, "docker.sock")
        server.shutdown()


class _Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True
    block_on_close = False
    upstream: Path
    choose: Callable[[str], Change]

    def handle_error(self, *_: object) -> None:
        """Ignore clients that close the connection."""


class _Relay(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _relay(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        change = self.server.choose(f"{self.command} {VERSION.sub('', self.path)}")
        status, answer = change(lambda: self._ask(body))
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

    def log_message(self, *_: object) -> None:
        """Log nothing."""


def _same(ask: Callable[[], Answer]) -> Answer:
    return ask()


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost")
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self.path))
