"""Containers published on loopback: removed at the end, however it comes, or kept for the next run."""

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from docker.models.containers import Container
from testcontainers.core.config import ConnectionMode, testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.docker_client import DockerClient
from testcontainers.core.waiting_utils import WaitStrategy, WaitStrategyTarget

from tests.testbed import runs
from tests.testbed.orphans import KEPT, OWNER, labelled, remove

LOOPBACK = "127.0.0.1"
LIMIT = 30.0

MADE_OF = f"{OWNER}.made-of"
"""The label that distinguishes a kept container from one with another image, command or files."""

# The image of its reaper cannot be pulled everywhere: `running` and `remove_orphans` do the reaper's work.
testcontainers_config.ryuk_disabled = True
# Ports are published on loopback even if the tests themselves run in a container.
testcontainers_config.connection_mode_override = ConnectionMode.docker_host


class NotReadyError(Exception):
    """The server does not reply yet."""


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

    @property
    def gateway(self) -> str:
        """The address of this machine for the container."""
        return self.container.get_docker_client().gateway_ip(self.container.get_container_id())

    def stop(self) -> None:
        """Kill the server; its port is closed afterwards."""
        self.container.get_wrapped_container().kill()

    def pause(self) -> None:
        """Freeze the server: its port still accepts, and nothing replies."""
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


class KeptContainer(DockerContainer):
    """A container that starts only if the run does not have it yet, and stays at the end of the context."""

    def start(self) -> "KeptContainer":
        labels = self._kwargs["labels"]
        for existing in labelled(f"{KEPT}={labels[KEPT]}"):
            if existing.labels[OWNER] == labels[OWNER] and not self._is_adopted(existing, labels[MADE_OF]):
                remove([existing])
        if not self._container:
            super().start()
        return self

    def stop(self, force: bool = True, delete_volume: bool = True) -> None:
        self.get_docker_client().client.close()

    def _is_adopted(self, existing: Container, made_of: str) -> bool:
        """Use the existing container if it equals the one that would start, and replies."""
        if existing.status != "running" or existing.labels[MADE_OF] != made_of or self._container:
            return False
        self._container = self.get_docker_client().client.containers.get(existing.id)
        ready = cast("Ready", self._wait_strategy)
        if not ready.answers(published(self, ready.inner_port)):
            self._container = None
        return self._container is not None


@contextmanager
def running(
    image: str,
    command: Sequence[str],
    inner_port: int,
    probe: Callable[[int], None],
    files: Mapping[str, bytes],
    more_ports: Sequence[int] = (),
    kept: str = "",
    **options: Any,
) -> Iterator[tuple[DockerContainer, int, int]]:
    """
    Run tests/images/<image> with `files` in its /files, and /memory; yields the first fields of a Server.

    `more_ports` are published too; `options` are those of testcontainers and of Docker's SDK. A container
    that is `kept`, under that name, starts once for all workers of a run, and the next run uses it again.
    """
    _await_images()
    run = runs.current()
    labels = {OWNER: run.owner}
    if kept:
        labels |= {KEPT: kept, MADE_OF: _made_of(image, command, files, options)}
    container = (KeptContainer if kept else DockerContainer)(f"{OWNER}/{image}", labels=labels, **options)
    container.with_command(list(command)).with_tmpfs_mount("/memory")
    for each in filter(None, (inner_port, *more_ports)):
        container.ports[str(each)] = cast("Any", (LOOPBACK, None))
    for name, content in files.items():
        container.with_copy_into_container(content, f"/files/{name}")
    container.waiting_for(Ready(inner_port, probe))
    with run.lock(kept) if kept else nullcontext():
        container.__enter__()
    try:
        yield container, inner_port, published(container, inner_port)
    finally:
        container.stop()


@cache
def _await_images() -> None:
    """`scripts/test` builds them while it runs the tests that need none."""
    builder = os.environ.get("IMAGES_BUILT_BY")
    with suppress(ProcessLookupError):
        while builder:
            os.kill(int(builder), 0)
            time.sleep(0.2)


def _made_of(image: str, command: Sequence[str], files: Mapping[str, bytes], options: Mapping[str, Any]) -> str:
    with closing(DockerClient().client) as client:
        identity = client.images.get(f"{OWNER}/{image}").id
    return hashlib.sha256(
        repr((identity, command, sorted(files.items()), sorted(options.items()))).encode()
    ).hexdigest()


def published(container: WaitStrategyTarget, inner_port: int) -> int:
    return container.get_exposed_port(inner_port) if inner_port else 0
