"""What may be behind a socket instead of a Docker Engine that allows everything: filters, and Podman."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from checks.core.finding import Finding, Layer, Status
from tests.harness import profiles, socket_faults
from tests.harness.run_check import CheckRun, run_check
from tests.servers.engine import Change, changed_engine, filtered_engine, refusing
from tests.testbed import Engine, docker_engine, image_registry, podman_engine, socket_proxy

SOCKET, NETWORK = "sandbox.docker.socket_path", "sandbox.docker.network_name"
IMAGE, PREFIX = "sandbox.default_base_image", "sandbox.storage.docker_volume.name_prefix"
REFUSED = "docker.call-refused"
SECTIONS = ("containers", "images", "networks", "volumes", "distribution", "info", "commit")


def check(socket: Path, image: str, network: str = "", read_only: bool = False) -> CheckRun:
    values = {"sandbox.provider": "docker", SOCKET: str(socket), IMAGE: image, PREFIX: "mistle-"}
    return run_check("sandbox.docker", values | ({NETWORK: network} if network else {}), read_only=read_only)


@pytest.fixture(scope="module")
def image(engine: Engine) -> Iterator[str]:
    """An image that only its registry has. The engine has the helper image."""
    with image_registry() as registry:
        engine.make_image("alpine:3.20")
        engine.push(f"{registry.address}/mistle/sandbox-base:1")
        yield f"{registry.address}/mistle/sandbox-base:1"


def refusals(result: CheckRun) -> list[Finding]:
    """The failures, each of which must be a refused call that blames the socket alone."""
    failed = [finding for finding in result.findings if finding.status is Status.FAIL]
    assert {(finding.id, finding.fields) for finding in failed} == {(REFUSED, (SOCKET,))}, result
    return failed


# Filters of the socket


def test_proxy_that_allows_all_that_mistle_needs(engine: Engine, image: str) -> None:
    before = engine.contents()
    with socket_proxy(engine.socket, SECTIONS) as path:
        assert check(path, image).status is Status.OK
    assert engine.contents() == before


def test_proxy_without_containers(engine: Engine, image: str) -> None:
    sections = [section for section in SECTIONS if section != "containers"]
    with socket_proxy(engine.socket, sections) as path:
        (refused,) = refusals(check(path, image))
        assert check(path, image, read_only=True).status is Status.FAIL, "GET /containers is refused too"
    assert refused.layer is Layer.ACCESS
    assert "POST /containers/create" in refused.message
    assert "DELETE /containers/{id}" in refused.message
    assert "HTTP 403" in refused.message
    assert "commit" not in refused.message
    assert "allow" in refused.hint


@profiles.long
def test_proxy_that_lets_no_container_be_committed(engine: Engine, image: str) -> None:
    with socket_proxy(engine.socket, [section for section in SECTIONS if section != "commit"]) as path:
        (refused,) = refusals(check(path, image))
    assert "refuses POST /commit," in refused.message


def test_proxy_that_allows_to_read_only(engine: Engine, image: str) -> None:
    with socket_proxy(engine.socket, SECTIONS, writes=False) as path:
        calls, volumes = refusals(check(path, image))
        assert check(path, image, read_only=True).status is Status.SKIP
    assert "POST /containers/create" in calls.message
    assert "GET /containers" not in calls.message
    assert "creation of the volume" in volumes.message


def test_proxy_whose_daemon_is_down(image: str) -> None:
    with docker_engine() as other, socket_proxy(other.socket, SECTIONS) as path:
        other.stop()
        result = check(path, image)
    finding = result.fails("docker.daemon-down", Layer.CONNECT, SOCKET, hint="start the Docker daemon")
    assert "HTTP 503" in finding.message
    assert "proxy" in finding.message


@profiles.long
@pytest.mark.parametrize("status", [b"502 Bad Gateway", b"503 Service Unavailable", b"504 Gateway Timeout"])
@pytest.mark.parametrize("body", [b"", b"<html>", b"Bad Gateway\n"], ids=["empty", "a page", "a line"])
def test_what_other_proxies_answer_when_their_daemon_is_down(status: bytes, body: bytes) -> None:
    answer = b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (status, len(body), body)
    with socket_faults.garbage_socket(answer) as path:
        check(path, "x:1").fails("docker.daemon-down", Layer.CONNECT, SOCKET, hint="start the Docker daemon")


CALLS = (
    ("POST /images/create", "POST /images/create"),
    ("POST /containers/create", "POST /containers/create"),
    ("POST /containers/{id}/start", "POST /containers/mistle-preflight-"),
    ("GET /containers/{id}/json", "GET /containers/mistle-preflight-"),
    ("DELETE /containers/{id}", "DELETE /containers/"),
)


@profiles.long
@pytest.mark.parametrize(("name", "start"), CALLS, ids=[name for name, _ in CALLS])
@pytest.mark.parametrize("status", [401, 403, 405, 501])
def test_each_call_that_a_filter_may_refuse(engine: Engine, image: str, name: str, start: str, status: int) -> None:
    with changed_engine(engine.socket, {start: refusing(status, "authorization denied by plugin opa")}) as path:
        (refused,) = refusals(check(path, image))
    assert name in refused.message
    assert "denied by plugin opa" in refused.message


def test_read_only_sends_no_call_that_could_write(engine: Engine, image: str) -> None:
    reading = ("GET /version", "GET /containers/{id}/json", "GET /containers/{id}/logs", "GET /info")
    with filtered_engine(engine.socket, [*reading, "GET /distribution/{id}/json", "GET /images/{id}/json"]) as path:
        assert check(path, image, read_only=True).status is Status.SKIP


def test_engine_that_makes_a_container_from_nothing(engine: Engine, image: str) -> None:
    removed: list[int] = []

    def remove(_ask: object) -> tuple[int, object]:
        removed.append(1)
        return 204, {}

    changes: dict[str, Change] = {
        "POST /containers/create": lambda _ask: (201, {"Id": "c0ffee"}),
        "DELETE /containers/c0ffee": remove,
    }
    with changed_engine(engine.socket, changes) as path:
        check(path, image).fails("docker.not-docker", Layer.ACCESS, SOCKET, hint="Docker daemon's socket")
    assert removed == [1]


# Networks


def test_network_that_reaches_nothing(engine: Engine, image: str) -> None:
    finding = check(engine.socket, image, "none").fails(
        "docker.network-unsuitable", Layer.ACCESS, NETWORK, hint="docker network create"
    )
    assert "reaches nothing" in finding.message


def test_network_of_the_machine(engine: Engine, image: str) -> None:
    finding = check(engine.socket, image, "host").fails(
        "docker.network-unsuitable", Layer.ACCESS, NETWORK, hint="docker network create"
    )
    assert "the machine's own" in finding.message


@profiles.long
def test_network_of_the_machine_by_its_id(engine: Engine, image: str) -> None:
    with closing(engine.client()) as client:
        (network,) = client.networks.list(names=["host"])
    check(engine.socket, image, network.id[:12]).fails(
        "docker.network-unsuitable", Layer.ACCESS, NETWORK, hint="docker network create"
    )


# Ids of images


@pytest.fixture(scope="module")
def image_id(engine: Engine) -> str:
    engine.make_image("mistle/known:1")
    with closing(engine.client()) as client:
        return str(client.images.get("mistle/known:1").id)


ID_FORMS = {
    "bare": lambda id_: id_.removeprefix("sha256:"),
    "bare and short": lambda id_: id_.removeprefix("sha256:")[:12],
    "short": lambda id_: id_[:19],
}


@pytest.mark.parametrize("form", profiles.first(1, ID_FORMS))
def test_part_of_an_image_id(engine: Engine, image_id: str, form: str) -> None:
    result = check(engine.socket, ID_FORMS[form](image_id))
    finding = result.fails("docker.bad-reference", Layer.ACCESS, IMAGE, hint=f"write {image_id} in {IMAGE}")
    assert "Mistle looks it up in a registry" in finding.message


@profiles.long
@pytest.mark.parametrize("reference", ["0" * 64, "0" * 12, "sha256:" + "0" * 12])
def test_part_of_an_id_that_no_image_has(engine: Engine, reference: str) -> None:
    check(engine.socket, reference).fails(
        "docker.bad-reference", Layer.ACCESS, IMAGE, hint="write the whole id, sha256: and 64 digits"
    )


# Podman


@pytest.fixture(scope="module")
def podman() -> Iterator[Engine]:
    with podman_engine() as server:
        yield server


@profiles.long
@pytest.mark.parametrize("network", ["", "podman"])
def test_podman(podman: Engine, network: str) -> None:
    before = podman.contents()
    result = check(podman.socket, "registry.example/mistle/sandbox-base:1", network)
    finding = result.fails("docker.api-too-old", Layer.FITNESS, SOCKET, hint="Docker Engine")
    assert "Podman Engine 5.4.2 has API 1.41" in finding.message
    skipped = [each for each in result.findings if each.status is Status.SKIP]
    assert [(each.fields, each.layer) for each in skipped] == [((IMAGE,), Layer.ACCESS)]
    assert podman.contents() == before


@profiles.long
def test_podman_without_the_network(podman: Engine) -> None:
    result = check(podman.socket, "registry.example/mistle/sandbox-base:1", "absent")
    finding = result.fails("docker.network-missing", Layer.ACCESS, NETWORK, hint="docker network create")
    assert "there are bridge" in finding.message
