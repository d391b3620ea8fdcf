"""What a daemon that works may still lack for Mistle's sandboxes."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from checks.core.text import foreign
from checks.docker import causes

if TYPE_CHECKING:
    from checks.core.check import Diagnosis
    from checks.docker.client import Engine
    from checks.docker.images import Image

_NEEDED_API = (1, 45)
_LITTLE = 10 * 2**30  # bytes: an image of some gigabytes is unpacked beside the old one, and sandboxes write

# The other architectures that a machine of this one runs as well.
_ALSO_RUNS = {"amd64": {"386"}, "arm64": {"arm"}}


def free_space(report: Mapping[str, Any]) -> int | None:
    """Bytes left where the daemon keeps its images; None when that place cannot be seen from here.

    The API does not tell. The path is looked at where it is the same machine's: neither its name nor the path exists in
    a container that was only given the socket.
    """
    if report.get("Name") != socket.gethostname():
        return None
    try:
        found = os.statvfs(str(report.get("DockerRootDir")))
    except (OSError, ValueError):  # it is not there, or no path at all
        return None
    return found.f_bavail * found.f_frsize if found.f_blocks else None


def judge(engine: Engine, report: Mapping[str, Any], image: Image, free: int | None) -> Iterator[Diagnosis]:
    """Everything that is wrong."""
    if tuple(map(int, engine.api.split("."))) < _NEEDED_API:
        yield causes.API_TOO_OLD.diagnosis(
            f"Engine {foreign(engine.version)} has API {foreign(engine.api)}; Mistle needs 1.45"
        )
    if report.get("CgroupVersion") == "1":
        yield causes.CGROUP_V1.diagnosis("the daemon reports cgroup version 1")
    if image.platforms and not image.platforms & _runs(*engine.platform):
        there = ", ".join(sorted("/".join(each) for each in image.platforms))
        yield causes.WRONG_PLATFORM.diagnosis(
            f"{image.reference} is for {foreign(there)}; the daemon is {foreign('/'.join(engine.platform))}"
        )
    if image.has_no_tag:
        yield causes.NO_TAG.diagnosis(f"{image.reference} has no tag: every tag of the repository is pulled")
    if free is not None and free < _LITTLE:
        yield causes.LOW_DISK.diagnosis(
            f"{free / 2**30:.1f} GiB are left in {foreign(str(report.get('DockerRootDir')))}"
        )


def _runs(system: str, architecture: str) -> frozenset[tuple[str, str]]:
    return frozenset((system, each) for each in {architecture} | _ALSO_RUNS.get(architecture, set()))
