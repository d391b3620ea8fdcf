"""A Docker Engine and registries, real ones, each fault for real."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from checks.base import Status
from climbing import Climb, climb
from testbed import Engine, image_registry
from testbed.containers import Server

SOCKET, NETWORK = "sandbox.docker.socket_path", "sandbox.docker.network_name"
IMAGE, PREFIX = "sandbox.default_base_image", "sandbox.storage.docker_volume.name_prefix"
NAME = "mistle/sandbox-base"


def check(socket: Path | str, image: str, **options: object) -> Climb:
    values = {"sandbox.provider": "docker", SOCKET: str(socket), IMAGE: image}
    keys = {"network": NETWORK, "prefix": PREFIX}
    values |= {key: str(options.pop(name)) for name, key in keys.items() if name in options}
    return climb("sandbox.docker", values, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def registry() -> Iterator[Server]:
    with image_registry() as server:
        yield server


@pytest.fixture(scope="module")
def image(engine: Engine, registry: Server) -> str:
    """The engine has alpine:3.20; the registry has this image."""
    engine.make_image("alpine:3.20")
    engine.push(f"{registry.address}/{NAME}:latest")
    return f"{registry.address}/{NAME}:latest"


def test_every_rung_passes_and_nothing_stays(engine: Engine, image: str) -> None:
    before = engine.contents()
    found = check(engine.socket, image, network="host", prefix="mistle-")
    assert found.status is Status.OK, found
    assert [finding.fields for finding in found.findings] == [
        (SOCKET,),
        (NETWORK,),
        (PREFIX,),
        (IMAGE,),
        (SOCKET, IMAGE),
    ]
    assert engine.contents() == before
