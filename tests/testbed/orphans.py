"""Who owns a container, and the removal of those whose owner is gone."""

import os
import socket
from contextlib import closing
from pathlib import Path

from docker.models.containers import Container
from testcontainers.core.docker_client import DockerClient

OWNER = "mistle-preflight-test"
"""The label that names the owner, and the folder of the images."""


def owner() -> str:
    return f"{socket.gethostname()}/{os.getpid()}"


def labelled(label: str) -> list[Container]:
    with closing(DockerClient().client) as client:
        return list(client.containers.list(all=True, filters={"label": label}, ignore_removed=True))


def remove_orphans() -> None:
    """Remove the containers of test processes that ended too suddenly to do it, and of this one."""
    with closing(DockerClient().client) as client:
        for container in client.containers.list(all=True, filters={"label": OWNER}, ignore_removed=True):
            if _is_orphan(container.labels[OWNER]):
                container.remove(force=True, v=True)


def _is_orphan(name: str) -> bool:
    host, _, pid = name.rpartition("/")
    return name == owner() or (host == socket.gethostname() and not Path("/proc", pid).exists())
