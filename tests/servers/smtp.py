"""A mail server with the replies of a test, for replies that no real server can be made to send."""

import socketserver
import threading
import time
from collections import ChainMap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import cast

from tests.testbed import Leaf
from tests.testbed.containers import LOOPBACK

REPLIES = {
    "EHLO": "250-mail.test\n250 HELP",
    "HELO": "250 mail.test",
    "STARTTLS": "220 go on",
    "AUTH": "235 2.7.0 accepted",
    "MAIL": "250 2.1.0 ok",
    "RCPT": "250 2.1.5 ok",
    "RSET": "250 2.0.0 ok",
    "DATA": "354 go on",
    ".": "250 2.0.0 queued",
    "QUIT": "221 2.0.0 bye",
    "": "500 5.5.2 what?",
}
SILENCE, HANG_UP = "silence", "hang up"


@dataclass
class Script(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """`replies` by the beginning of a command, the longest first; `received` is every line of every session.

    `after` holds other replies, which apply when a line with that beginning has been received.
    """

    replies: Mapping[str, str]
    after: Mapping[str, Mapping[str, str]]
    greeting: str
    delay: float
    leaf: Leaf | None
    host: str
    received: list[str] = field(default_factory=list)
    daemon_threads = True
    block_on_close = False

    def __post_init__(self) -> None:
        super().__init__((self.host, 0), _Session)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def reply(self, line: str) -> str:
        later = [more for start, more in self.after.items() if any(line.startswith(start) for line in self.received)]
        replies = ChainMap(*map(dict, later), dict(self.replies), REPLIES)
        return replies[max((start for start in replies if line.startswith(start)), key=len)]


@contextmanager
def smtp_script(
    replies: Mapping[str, str] = {},
    *,
    after: Mapping[str, Mapping[str, str]] = {},
    greeting: str = "220 mail.test ESMTP",
    delay: float = 0.0,
    leaf: Leaf | None = None,
    host: str = LOOPBACK,
) -> Iterator[Script]:
    """`delay` in seconds before the greeting; `leaf` for STARTTLS, if `replies` offer it."""
    with Script(replies, after, greeting, delay, leaf, host) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()


class _Session(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        script = cast("Script", self.server)
        with suppress(OSError):
            time.sleep(script.delay)
            if script.greeting != SILENCE:
                self._send(script.greeting)
            for line in iter(self._next_line, None):
                script.received.append(line)
                if not self._answer(line, script):
                    break
        self.request.close()

    def _next_line(self) -> str | None:
        line = self.rfile.readline()
        return line.decode(errors="replace").strip("\r\n") if line else None

    def _answer(self, line: str, script: Script) -> bool:
        reply = script.reply(line)
        if reply == HANG_UP:
            return False
        if reply != SILENCE:
            self._send(reply)
        if line == "STARTTLS" and script.leaf:
            self.request = script.leaf.context().wrap_socket(self.request, server_side=True)
            self.setup()
        if line == "DATA" and reply.startswith("3"):
            return self._take_message(script)
        return line != "QUIT"

    def _take_message(self, script: Script) -> bool:
        for line in iter(self._next_line, None):
            if line == ".":
                self._send(script.reply(line))
                return True
        return False

    def _send(self, reply: str) -> None:
        self.wfile.write(reply.replace("\n", "\r\n").encode() + b"\r\n")
