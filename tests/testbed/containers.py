"""Containers published on loopback, removed at the end, whatever ends it."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

from testcontainers.core.config import ConnectionMode, testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.waiting_utils import WaitStrategy, WaitStrategyTarget

from testbed.orphans import OWNER, owner

LOOPBACK = "127.0.0.1"
LIMIT = 30.0

# The image of its reaper cannot be pulled everywhere: `running` and `remove_orphans` do the reaper's work.
testcontainers_config.ryuk_disabled = True
# Ports are published on loopback even where the tests themselves run in a container.
testcontainers_config.connection_mode_override = ConnectionMode.docker_host


class NotReadyError(Exception):
    """The server does not answer yet."""


@dataclass(frozen=True)
class Server:
    """A running container whose one port is published on loopback."""

    container: DockerContainer
    inner_port: int
    port: int
    host: str = LOOPBACK

    @property
    def address(self) -> str:
        """The host:port under which other containers reach this one."""
        ip = self.container.get_docker_client().bridge_ip(self.container.get_container_id())
        return f"{ip}:{self.inner_port}"

    def stop(self) -> None:
        """Kill the server; its port is closed afterwards."""
        self.container.get_wrapped_container().kill()

    def pause(self) -> None:
        """Freeze the server: its port still accepts, nothing answers."""
        self.container.get_wrapped_container().pause()


class Ready(WaitStrategy):
    """Waits until `probe` of the published port (0: there is none) raises nothing."""

    def __init__(self, inner_port: int, probe: Callable[[int], None]) -> None:
        super().__init__()
        self.inner_port, self.probe = inner_port, probe

    def wait_until_ready(self, container: WaitStrategyTarget) -> None:
        port = published(container, self.inner_port)
        deadline = time.monotonic() + LIMIT
        while not self.answers(port):
            container.reload()
            if container.status == "exited" or time.monotonic() > deadline:
                raise TimeoutError(f"{container.status}, but not ready")
            time.sleep(0.02)

    def answers(self, port: int) -> bool:
        try:
            self.probe(port)
        except (NotReadyError, OSError):
            return False
        return True


@contextmanager
def running(
    image: str,
    command: Sequence[str],
    inner_port: int,
    probe: Callable[[int], None],
    files: Mapping[str, bytes],
    more_ports: Sequence[int] = (),
    **options: Any,
) -> Iterator[tuple[DockerContainer, int, int]]:
    """
    Run tests/images/<image> with `files` in its /files, and /memory; yields the first fields of a Server.

    `more_ports` are published too; `options` are those of testcontainers and of Docker's SDK.
    """
    container = DockerContainer(f"{OWNER}/{image}", labels={OWNER: owner()}, **options)
    container.with_command(list(command)).with_tmpfs_mount("/memory")
    for each in filter(None, (inner_port, *more_ports)):
        container.ports[str(each)] = cast("Any", (LOOPBACK, None))
    for name, content in files.items():
        container.with_copy_into_container(content, f"/files/{name}")
    with container.waiting_for(Ready(inner_port, probe)):
        yield container, inner_port, published(container, inner_port)


def published(container: WaitStrategyTarget, inner_port: int) -> int:
    return container.get_exposed_port(inner_port) if inner_port else 0
