"""A Docker Engine in a container, and image registries. Keywords are dockerd's flags, with `_` for `-`."""

import io
import os
import socket
import tarfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from docker import DockerClient
from docker.errors import DockerException

from tests.testbed import runs
from tests.testbed.containers import NotReadyError, Server, running

CAPABILITIES = ["AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_ADMIN", "NET_RAW"]
CAPABILITIES += ["NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_ADMIN", "SYS_CHROOT", "SYS_PTRACE"]
"""Without --privileged: a confined machine itself lacks some of those rights."""
CGROUPS = {1: Path("/sys/fs/cgroup"), 2: Path("/sys/fs/cgroup/unified")}
"""For a machine with both versions; a machine with version 2 alone has it at the first path."""
BUILT_IN = {"bridge", "host", "none"}


@dataclass(frozen=True)
class Engine(Server):
    socket: Path = Path()

    def client(self) -> DockerClient:
        return DockerClient(base_url=f"unix://{self.socket}", timeout=10)

    def make_image(self, reference: str, platform: str = "") -> None:
        """An image with one empty file, as `repository:tag`; of the `platform`, such as linux/arm64."""
        repository, _, tag = reference.rpartition(":")
        query = {"fromSrc": "-", "repo": repository, "tag": tag, "platform": platform}
        with closing(self.client()) as client:
            client.api.post(f"{client.api.base_url}/images/create", params=query, data=_tar()).raise_for_status()

    def push(self, reference: str, **login: str) -> None:
        """Make an image in its registry, which does not stay in the engine; `login`: username and password."""
        self.make_image(reference)
        with closing(self.client()) as client:
            for line in client.images.push(reference, auth_config=login or None, stream=True, decode=True):
                if "error" in line:
                    raise DockerException(line["error"])
            client.images.remove(reference)

    def contents(self) -> dict[str, list[str]]:
        """The names of all containers, volumes and networks that were made."""
        with closing(self.client()) as client:
            containers, volumes, networks = (
                client.containers.list(all=True),
                client.volumes.list(),
                client.networks.list(),
            )
            names = {"containers": containers, "volumes": volumes, "networks": networks}
            return {kind: sorted({each.name for each in objects} - BUILT_IN) for kind, objects in names.items()}

    def empty(self) -> None:
        """Remove all that was made."""
        with closing(self.client()) as client:
            for container in client.containers.list(all=True):
                container.remove(force=True, v=True)
            for volume in client.volumes.list():
                volume.remove(force=True)
            client.networks.prune()
            for image in client.images.list(all=True):
                client.images.remove(image.id, force=True)


@contextmanager
def docker_engine(cgroup: int = 2, kept: str = "", **flags: object) -> Iterator[Engine]:
    """An engine without images; it reaches a registry at the registry's `address`."""
    with _folder(kept) as folder:
        path = Path(folder, "docker.sock")
        command = [f"--{name.replace('_', '-')}={value}" for name, value in ({"group": os.getgid()} | flags).items()]
        volumes = [(folder, "/engine", "rw"), (str(_cgroup(cgroup)), "/sys/fs/cgroup", "rw")]
        confined = _confined() | {"volumes": volumes}
        with running("engine", command, 0, lambda _: _answers(path), {}, kept=kept, **confined) as fields:
            yield Engine(*fields, socket=path)


@contextmanager
def podman_engine() -> Iterator[Engine]:
    """Podman's service, which offers Docker's API, without images."""
    with _folder("") as folder:
        path = Path(folder, "docker.sock")
        volumes = [(folder, "/engine", "rw"), (str(_cgroup(2)), "/sys/fs/cgroup", "rw")]
        with running("podman", [], 0, lambda _: _answers(path), {}, **(_confined() | {"volumes": volumes})) as fields:
            yield Engine(*fields, socket=path)


def podman(engine: Engine, *arguments: str) -> tuple[int, str]:
    """Podman's own command: its exit code and output. `/engine` there is the folder of its service's socket."""
    container = engine.container.get_wrapped_container()
    program = container.attrs["Config"]["Entrypoint"]
    code, (output, errors) = container.exec_run([*program[: program.index("system")], *arguments], demux=True)
    return code, (output or (errors if code else b"") or b"").decode()


@contextmanager
def _folder(kept: str) -> Iterator[str]:
    """The path of the socket."""
    if kept:
        folder = runs.current().folder / kept
        folder.mkdir(exist_ok=True)
        yield str(folder)
    else:
        with TemporaryDirectory(prefix="engine-") as made:
            yield made


def has_cgroup(version: int) -> bool:
    """Whether this machine can run an engine on that version."""
    return version == 2 or CGROUPS[2].exists()


def _cgroup(version: int) -> Path:
    return CGROUPS[version] if CGROUPS[2].exists() else CGROUPS[1]


def _confined() -> dict[str, Any]:
    unconfined = ["seccomp=unconfined", "apparmor=unconfined"]
    return {"cap_drop": ["ALL"], "cap_add": CAPABILITIES, "security_opt": unconfined}


def _answers(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        connection.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
        if b" 200 " not in connection.recv(1024):
            raise NotReadyError


def _tar() -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("empty"))
    return content.getvalue()
