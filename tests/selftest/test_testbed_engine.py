"""The Docker Engine and the registries of the test bed behave as their docstrings say."""

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from docker import DockerClient
from docker.errors import APIError

from tests.harness import profiles, socket_faults
from tests.harness.faults import GARBAGE
from tests.testbed import Engine, docker_engine, image_registry
from tests.testbed.engine import has_cgroup
from tests.testbed.registry import LOGIN

pytestmark = profiles.long  # the tests of each kind show this too

IMAGE = "mistle/sandbox-base:latest"


@pytest.fixture
def client(engine: Engine) -> Iterator[DockerClient]:
    with closing(engine.client()) as client:
        yield client


def test_engine_version(client: DockerClient) -> None:
    version = client.version()
    assert (version["ApiVersion"], version["Version"].split(".")[0]) == ("1.45", "26")
    assert client.info()["CgroupVersion"] == "2"


def test_engine_images(engine: Engine, client: DockerClient) -> None:
    engine.make_image("alpine:3.20")
    engine.make_image("foreign:1", platform="linux/arm64")
    assert client.images.get("alpine:3.20").attrs["Architecture"] != "arm64"
    assert client.images.get("foreign:1").attrs["Architecture"] == "arm64"


def test_engine_contents(engine: Engine, client: DockerClient) -> None:
    assert engine.contents() == {"containers": [], "volumes": [], "networks": []}
    network, volume = client.networks.create("sandboxes"), client.volumes.create("sandbox-1")
    assert engine.contents() == {"containers": [], "volumes": ["sandbox-1"], "networks": ["sandboxes"]}
    network.remove()
    volume.remove()


def test_registry_open(engine: Engine, client: DockerClient) -> None:
    with image_registry() as registry:
        engine.push(f"{registry.address}/{IMAGE}")
        assert client.images.get_registry_data(f"{registry.address}/{IMAGE}").id
        assert not client.images.list(f"{registry.address}/{IMAGE}")
        assert "manifest unknown" in refusal(client, f"{registry.address}/mistle/absent")


def test_registry_login(engine: Engine, client: DockerClient) -> None:
    with image_registry(login=True) as registry:
        engine.push(f"{registry.address}/{IMAGE}", **LOGIN)
        assert "no basic auth credentials" in refusal(client, f"{registry.address}/{IMAGE}")


def test_registry_refused(client: DockerClient) -> None:
    assert "connection refused" in refusal(client, f"127.0.0.1:1/{IMAGE}")


def test_engine_stopped() -> None:
    with docker_engine() as other:
        other.stop()
        with pytest.raises(ConnectionRefusedError):
            ping(other.socket)


@pytest.mark.skipif(not has_cgroup(1), reason="this machine has cgroup v2 alone")
def test_engine_cgroup_v1() -> None:
    with docker_engine(cgroup=1) as other, closing(other.client()) as client:
        assert client.info()["CgroupVersion"] == "1"


def test_altered_socket(engine: Engine) -> None:
    with (
        socket_faults.altered_socket(engine.socket, {b"1.45": b"1.41"}) as path,
        closing(DockerClient(base_url=f"unix://{path}")) as client,
    ):
        assert client.version()["ApiVersion"] == "1.41"


def test_socket_faults() -> None:
    with socket_faults.dead_socket() as path, pytest.raises(ConnectionRefusedError):
        ping(path)
    with socket_faults.silent_socket() as path, pytest.raises(TimeoutError):
        ping(path)
    with socket_faults.http_socket() as path:
        assert ping(path).startswith(b"HTTP/1.1 400")
    with socket_faults.garbage_socket() as path:
        assert ping(path) == GARBAGE


def refusal(client: DockerClient, reference: str) -> str:
    """Why the engine does not find an image in its registry."""
    with pytest.raises(APIError) as caught:
        client.images.get_registry_data(reference)
    return str(caught.value.explanation)


def ping(path: Path) -> bytes:
    """A client that closes its connection when it fails, which Docker's own does not."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1)
        connection.connect(str(path))
        connection.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
        return connection.recv(1024)
