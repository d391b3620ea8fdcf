"""Whether a working daemon suits Mistle's sandboxes."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from checks.core.finding import Diagnosis
from checks.core.text import foreign
from checks.docker import causes

if TYPE_CHECKING:
    from checks.docker.client import Engine
    from checks.docker.images import Image

_NEEDED_API = (1, 45)
_LOW_SPACE = 10 * 2**30  # bytes: a new image is unpacked beside the old one, and sandboxes write

# For each architecture of a machine, the others that it also runs.
_ALSO_RUNS = {"amd64": {"386"}, "arm64": {"arm"}}


def free_space(info: Mapping[str, Any]) -> int | None:
    """Bytes left on the disk where the daemon keeps its images; None if that disk cannot be seen from here.

    The API does not report it. The path is read only if the daemon has this machine's name: a container that only
    mounts the socket has another name, and not that path.
    """
    if info.get("Name") != socket.gethostname():
        return None
    try:
        disk = os.statvfs(str(info.get("DockerRootDir")))
    except (OSError, ValueError):  # it does not exist, or is not a path
        return None
    return disk.f_bavail * disk.f_frsize if disk.f_blocks else None


def unsuitable(engine: Engine, info: Mapping[str, Any], image: Image | None, free: int | None) -> Iterator[Diagnosis]:
    """A diagnosis of everything that does not suit Mistle."""
    if tuple(map(int, engine.api.split("."))) < _NEEDED_API:
        yield causes.API_TOO_OLD.diagnosis(
            f"{engine.name} {foreign(engine.version)} has API {foreign(engine.api)}; Mistle needs 1.45",
            hint=causes.OTHER_ENGINE if engine.is_podman else None,
        )
    if info.get("CgroupVersion") == "1":
        yield causes.CGROUP_V1.diagnosis("the daemon reports cgroup version 1")
    if image and image.platforms and not image.platforms & _runs(*engine.platform):
        platforms = ", ".join(sorted("/".join(each) for each in image.platforms))
        yield causes.WRONG_PLATFORM.diagnosis(
            f"{image.reference} is for {foreign(platforms)}; the daemon is {foreign('/'.join(engine.platform))}"
        )
    if image and image.has_no_tag:
        yield causes.NO_TAG.diagnosis(f"{image.reference} has no tag: every tag of the repository is pulled")
    if free is not None and free < _LOW_SPACE:
        yield causes.LOW_DISK.diagnosis(f"{free / 2**30:.1f} GiB are left in {foreign(str(info.get('DockerRootDir')))}")


def _runs(system: str, architecture: str) -> frozenset[tuple[str, str]]:
    return frozenset((system, each) for each in {architecture} | _ALSO_RUNS.get(architecture, set()))
