"""A real Docker Engine and real registries, with each fault."""

import asyncio
import ctypes
import errno
import json
import os
import select
import socket
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from checks.core.finding import Finding, Layer, Status
from checks.core.limits import BoundedResponse
from checks.core.recorder import Recorder, Settings
from checks.core.roots import Trust
from checks.docker import fitness
from checks.docker.socket_access import open_socket
from preflight.run.runner import run
from tests.harness import answers, faults, floods, hostile_replies, profiles, socket_faults, text_servers
from tests.harness.descriptor import Descriptor, Family, Target, each_scene
from tests.harness.fault_rows import TERMINAL, Protocol, Row, Verdict, json_http
from tests.harness.run_check import CheckRun, planned, run_check
from tests.servers.engine import Answer, Change, changed_engine, late, refusing, with_values
from tests.testbed import Engine, docker_engine, image_registry
from tests.testbed.containers import Server
from tests.testbed.engine import has_cgroup
from tests.testbed.registry import LOGIN

SOCKET, NETWORK = "sandbox.docker.socket_path", "sandbox.docker.network_name"
IMAGE, PREFIX = "sandbox.default_base_image", "sandbox.storage.docker_volume.name_prefix"
NAME = "mistle/sandbox-base"
HELPER = "alpine:3.20"
NOBODY = 65534


def check(socket: Path | str, image: str = "", **options: Any) -> CheckRun:
    values = {"sandbox.provider": "docker", SOCKET: str(socket), IMAGE: image or "127.0.0.1:1/x:1"}
    keys = {"network": NETWORK, "prefix": PREFIX}
    values |= {key: str(options.pop(name)) for name, key in keys.items() if name in options}
    return run_check("sandbox.docker", values, **options)


def check_changed(engine: Engine, image: str, call: str, change: Change, **options: Any) -> CheckRun:
    with changed_engine(engine.socket, {call: change}) as path:
        return check(path, image, **options)


def as_nobody(function: Callable[[], CheckRun]) -> CheckRun:
    """Run in a thread to which file permissions apply, unlike to root; they apply to the threads that it starts too."""
    future: Future[CheckRun] = Future()

    def run() -> None:
        try:
            ctypes.CDLL(None).setfsuid(NOBODY)
            future.set_result(function())
        except BaseException as error:
            future.set_exception(error)

    thread = Thread(target=run)
    thread.start()
    thread.join()
    return future.result()


@pytest.fixture(scope="module")
def registry() -> Iterator[Server]:
    with image_registry() as server:
        yield server


@pytest.fixture(scope="module")
def locked(engine: Engine) -> Iterator[str]:
    """An image in a registry that requires a login."""
    with image_registry(login=True) as server:
        engine.push(f"{server.address}/{NAME}:latest", **LOGIN)
        yield f"{server.address}/{NAME}:latest"


@pytest.fixture(scope="module")
def image(engine: Engine, registry: Server) -> str:
    """An image that only the registry has. The engine has the helper image."""
    engine.make_image(HELPER)
    engine.push(f"{registry.address}/{NAME}:latest")
    return f"{registry.address}/{NAME}:latest"


@pytest.fixture(scope="module")
def secluded() -> Iterator[Engine]:
    """An engine without images that cannot reach Docker Hub."""
    with docker_engine(https_proxy="http://127.0.0.1:1") as server:
        yield server


@contextmanager
def network(engine: Engine, name: str, **options: Any) -> Iterator[None]:
    with closing(engine.client()) as client:
        network = client.networks.create(name, **options)
        yield
        network.remove()


@profiles.quick
def test_every_layer_passes_and_nothing_remains(engine: Engine, image: str) -> None:
    with network(engine, "sandboxes", internal=True, options={"com.docker.network.bridge.name": "sbx0"}):
        before = engine.contents()
        result = check(engine.socket, image, network="sandboxes", prefix="mistle-")
        assert engine.contents() == before
    assert result.status is Status.OK, result
    assert [(finding.id, *finding.fields) for finding in result.findings] == [
        ("docker.connect", SOCKET),
        ("docker.access", NETWORK),
        ("docker.access", SOCKET),
        ("docker.access", PREFIX),
        ("docker.access", IMAGE),
        ("docker.fitness", SOCKET, IMAGE),
    ]
    assert result.facts["api"] == "1.45"
    assert str(result.facts["version"]).startswith("26.1")


def test_without_a_network_and_a_prefix(engine: Engine, image: str) -> None:
    result = check(engine.socket, image)
    assert result.status is Status.OK, result
    assert [finding.fields for finding in result.findings][1:4] == [(SOCKET,), (SOCKET,), (IMAGE,)]


def test_read_only_creates_no_volume(engine: Engine, image: str) -> None:
    result = check_changed(engine, image, "POST ", refusing(500, "asked to write"), prefix="mistle-", read_only=True)
    skipped = [finding for finding in result.findings if finding.status is Status.SKIP]
    assert [(each.message, each.fields) for each in skipped] == [("no volume is made: --read-only", (PREFIX,))]
    assert result.status is Status.SKIP, result


def test_socket_missing(tmp_path: Path) -> None:
    result = check(tmp_path / "docker.sock")
    result.fails("docker.socket-missing", Layer.CONNECT, SOCKET, hint="mount its socket")
    assert "No such file" in result["docker.socket-missing"].message


def test_socket_is_a_dangling_link(tmp_path: Path) -> None:
    path = tmp_path / "docker.sock"
    path.symlink_to("/run/nowhere/docker.sock")
    result = check(path).fails("docker.socket-missing", Layer.CONNECT, SOCKET, hint="correct the path")
    assert "a link to /run/nowhere/docker.sock" in result.message


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("unix:///var/run/docker.sock", "without unix://"),
        ("tcp://10.0.0.1:2375", "Unix socket only"),
        ("/dev/null/docker.sock", "correct the path"),
        ("/tmp/\0", "correct the path"),
    ],
)
def test_invalid_socket_path(path: str, hint: str) -> None:
    check(path).fails("docker.socket-missing", Layer.CONNECT, SOCKET, hint=hint)


def test_not_a_socket(tmp_path: Path) -> None:
    result = check(tmp_path).fails("docker.not-a-socket", Layer.CONNECT, SOCKET, hint="/var/run/docker.sock")
    assert result.message == f"{tmp_path} is a directory"
    (tmp_path / "file").touch()
    assert check(tmp_path / "file")["docker.not-a-socket"].message.endswith("is a file")


def test_permission_denied() -> None:
    with socket_faults.silent_socket() as path:
        path.parent.chmod(0o755)
        path.chmod(0o600 if os.geteuid() == 0 else 0)
        result = as_nobody(lambda: check(path))
    result.fails("docker.permission-denied", Layer.CONNECT, SOCKET, hint="the group that owns the socket")
    assert "its mode is 0" in result["docker.permission-denied"].message


def test_permission_denied_by_a_parent_directory() -> None:
    with socket_faults.silent_socket() as path:
        path.parent.chmod(0o600)
        result = as_nobody(lambda: check(path))
        path.parent.chmod(0o700)
    result.fails("docker.permission-denied", Layer.CONNECT, SOCKET, hint="group_add")
    assert "a directory above it may not be entered" in result["docker.permission-denied"].message


def test_daemon_down() -> None:
    with docker_engine() as other:
        other.stop()
        result = check(other.socket)
    result.fails("docker.daemon-down", Layer.CONNECT, SOCKET, hint="systemctl start docker")
    assert result["docker.access"].message == "not reached"


def test_silent_daemon() -> None:
    with docker_engine() as other:
        other.pause()
        started = time.monotonic()
        result = check(other.socket, timeout=1.0)
    assert time.monotonic() - started < 15
    result.fails("docker.silent", Layer.CONNECT, SOCKET, hint="restart it")


def test_daemon_with_a_full_queue() -> None:
    with socket_faults.full_socket() as path:
        result = check(path)
    result.fails("docker.silent", Layer.CONNECT, SOCKET, hint="restart it")
    assert "queue is full" in result["docker.silent"].message


@pytest.mark.parametrize("error", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_resource_limits_do_not_blame_the_socket(error: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def lack(*_: object) -> None:
        raise OSError(error, os.strerror(error))

    with socket_faults.silent_socket() as path:
        monkeypatch.setattr(socket.socket, "connect", lack)
        with pytest.raises(OSError, match=os.strerror(error)):
            open_socket(str(path), 1.0)


@pytest.mark.parametrize("error", [errno.EIO, errno.ESTALE, errno.ECONNRESET, errno.ENXIO, errno.ENOBUFS])
def test_other_socket_errors(error: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(error, os.strerror(error))

    with socket_faults.silent_socket() as path:
        monkeypatch.setattr(socket.socket, "connect", refuse)
        finding = check(path).fails("docker.daemon-down", Layer.CONNECT, SOCKET, hint="start the Docker daemon")
    assert os.strerror(error) in finding.message


def test_bounded_reply_can_be_polled() -> None:
    connection, other = socket.socketpair()
    with connection, other, closing(BoundedResponse(connection)) as answer:
        assert select.select([answer], [], [], 0.0) == ([], [], [])
        other.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        assert select.select([answer], [], [], 5.0) == ([answer], [], [])


def test_daemon_that_closes_the_connection() -> None:
    with socket_faults.serving(lambda _: None) as path:
        result = check(path).fails("docker.silent", Layer.CONNECT, SOCKET, hint="restart it")
    assert "broke before a reply" in result.message


def test_no_calls_after_a_time_out(engine: Engine, image: str) -> None:
    before = engine.contents()
    result = check_changed(engine, image, "GET /networks", late(8.0), network="host", timeout=3.0)
    result.fails("docker.silent", Layer.ACCESS, SOCKET, hint="restart it")
    assert engine.contents() == before


def test_slow_daemon() -> None:
    with socket_faults.serving(drip) as path:
        result = check(path, timeout=1.0)
    result.fails("docker.silent", Layer.CONNECT, SOCKET, hint="restart it")


def drip(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(b" ")
        time.sleep(0.1)


HEAD = b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"


def reply(body: bytes, status: bytes = b"200 OK") -> bytes:
    return HEAD % (status, len(body), body)


@pytest.mark.parametrize(
    "data",
    [
        faults.GARBAGE,
        b"SSH-2.0-OpenSSH_9.9\r\n",
        reply(b"<html>"),
        reply(b"<html>", b"404 Not Found"),
        reply(b'{"message":"page not found"}', b"404 Not Found"),
        reply(b"{}"),
        reply(b"[1]"),
        reply(b'{"ApiVersion":{}}'),
        reply(b"boom", b"500 Internal Server Error"),
        reply(b"", b"301 Moved\r\nLocation: /elsewhere"),
        reply(b"", b"301 Moved\r\nLocation: http://127.0.0.1:1/"),
        b"HTTP/1.1 200 OK\r\n\r\n" + b" " * (5 * 2**20),
    ],
)
def test_not_docker(data: bytes) -> None:
    with socket_faults.garbage_socket(data) as path:
        check(path).fails("docker.not-docker", Layer.CONNECT, SOCKET, hint="Docker daemon's socket")


@pytest.mark.parametrize("part", [1, 5, 9, 12, 14, 16, 20, 36, 37, 38, 55, 56])
def test_connection_closed_within_the_headers(part: int) -> None:
    with socket_faults.garbage_socket(reply(b"")[:part]) as path:
        result = check(path).fails("docker.silent", Layer.CONNECT, SOCKET, hint="restart it")
    assert "broke before a reply" in result.message


def test_call_refused(engine: Engine, image: str) -> None:
    # So reply authorization plugins, and proxies that filter the socket.
    refusal = refusing(403, "authorization denied by plugin opa")
    result = check_changed(engine, image, "GET /version", refusal)
    result.fails("docker.call-refused", Layer.CONNECT, SOCKET, hint="act on its message")
    result = check_changed(engine, image, "GET /info", refusal)
    result.fails("docker.call-refused", Layer.FITNESS, SOCKET, hint="act on its message")
    result = check_changed(engine, image, "GET /distribution", refusal)
    result.fails("docker.call-refused", Layer.ACCESS, SOCKET, hint="act on its message")
    assert "denied by plugin opa" in result["docker.call-refused"].message
    refusal = refusing(403, "Request forbidden by administrative rules.")
    result = check_changed(engine, image, "GET /distribution", refusal)
    result.fails("docker.call-refused", Layer.ACCESS, SOCKET, hint="distribution")


@pytest.mark.parametrize("message", ["Path /v1.41/distribution/alpine/json is not supported", "404 page not found"])
def test_engine_without_the_distribution_call(engine: Engine, image: str, message: str) -> None:
    # The messages of Podman 5.4, and of Podman before 5.
    result = check_changed(engine, image, "GET /distribution", refusing(404, message))
    result.fails("docker.call-refused", Layer.ACCESS, SOCKET, hint="distribution")
    assert message in result["docker.call-refused"].message


def test_network_missing(engine: Engine, image: str) -> None:
    result = check(engine.socket, image, network="sandboxes")
    result.fails("docker.network-missing", Layer.ACCESS, NETWORK, hint="docker network create")
    assert result["docker.network-missing"].message == "there is no network sandboxes; there are host, none"


def test_network_not_attachable(secluded: Engine, image: str) -> None:
    with closing(secluded.client()) as client:
        client.swarm.init(advertise_addr="127.0.0.1")
        client.networks.create("services", driver="overlay")
        client.networks.create("anyone", driver="overlay", attachable=True)
    result = check(secluded.socket, image, network="services")
    result.fails("docker.network-not-attachable", Layer.ACCESS, NETWORK, hint="--attachable")
    assert check(secluded.socket, image, network="anyone").status is Status.WARN


def test_every_fault_of_a_layer_is_reported(engine: Engine, registry: Server) -> None:
    result = check(engine.socket, f"{registry.address}/nope:1", network="nope", prefix="-")
    failed = [finding.id for finding in result.findings if finding.status is Status.FAIL]
    assert failed == ["docker.network-missing", "docker.volume-refused", "docker.image-missing"]
    assert result["docker.fitness"].message == "not reached"


def test_image_missing(engine: Engine, registry: Server) -> None:
    result = check(engine.socket, f"{registry.address}/{NAME}:nope")
    result.fails("docker.image-missing", Layer.ACCESS, IMAGE, hint="push the image")
    assert "manifest unknown" in result["docker.image-missing"].message


def test_image_in_the_daemon_only(engine: Engine, registry: Server) -> None:
    engine.make_image(f"{registry.address}/mistle/mine:1")
    result = check(engine.socket, f"{registry.address}/mistle/mine:1")
    with closing(engine.client()) as client:
        image_id = client.images.get(f"{registry.address}/mistle/mine:1").id
    result.fails("docker.image-missing", Layer.ACCESS, IMAGE, hint=image_id)
    assert "Mistle pulls before every start" in result["docker.image-missing"].message
    assert check(engine.socket, image_id).status is Status.OK


def test_unknown_image_id(engine: Engine) -> None:
    result = check(engine.socket, f"sha256:{'0' * 64}")
    result.fails("docker.image-missing", Layer.ACCESS, IMAGE, hint="correct its name")


def test_image_by_digest(engine: Engine, image: str) -> None:
    with closing(engine.client()) as client:
        digest = client.images.get_registry_data(image).id
    assert check(engine.socket, f"{image.removesuffix(':latest')}@{digest}").status is Status.OK


@pytest.mark.parametrize("reference", ["Mistle/Base:1", "http://ghcr.io/mistle/base", "-a.b/c:1", "a b"])
def test_bad_reference(engine: Engine, reference: str) -> None:
    check(engine.socket, reference).fails("docker.bad-reference", Layer.ACCESS, IMAGE, hint="registry/repository:tag")


def test_image_needs_login(engine: Engine, locked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    login = b64encode(f"{LOGIN['username']}:{LOGIN['password']}".encode()).decode()
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker/config.json").write_text(json.dumps({"auths": {locked.partition("/")[0]: {"auth": login}}}))
    monkeypatch.setenv("HOME", str(tmp_path))
    with closing(engine.client()) as client:
        assert client.images.get_registry_data(locked)  # the caller's own login would be sufficient
    result = check(engine.socket, locked)
    result.fails("docker.image-needs-login", Layer.ACCESS, IMAGE, hint="make the image public")
    assert LOGIN["password"] not in str(result)
    assert login not in str(result)


def test_docker_settings_change_nothing(
    engine: Engine, image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.json").write_text('{"auths": [], "HttpHeaders": {"Host": ""}, "proxies": 1}')
    for name in ("DOCKER_HOST", "DOCKER_CERT_PATH", "DOCKER_CONTEXT", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "tcp://127.0.0.1:1")
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    assert check(engine.socket, image).status is Status.OK


def test_registry_refuses_connections(engine: Engine) -> None:
    engine.make_image("127.0.0.1:1/mistle/mine:1")
    result = check(engine.socket, "127.0.0.1:1/mistle/mine:1")
    result.fails("docker.registry-unreachable", Layer.ACCESS, IMAGE, hint="the id of the daemon's copy, sha256:")
    assert "connection refused" in result["docker.registry-unreachable"].message


def test_silent_registry(engine: Engine) -> None:
    with image_registry() as other:
        other.pause()
        result = check(engine.socket, f"{other.address}/{NAME}:latest", timeout=4.0)
    result.fails("docker.registry-unreachable", Layer.ACCESS, IMAGE, hint="reachable from the daemon's machine")
    assert "the daemon still waits" in result["docker.registry-unreachable"].message


# What Docker Hub, GitHub's registry and one with a certificate of its own make a daemon say.
@pytest.mark.parametrize(
    ("finding", "status", "message", "hint"),
    [
        ("docker.image-needs-login", 403, "errors:\ndenied: requested access to the resource is denied\n", "public"),
        ("docker.image-needs-login", 401, "unauthorized: authentication required", "public"),
        ("docker.image-missing", 404, "errors: name unknown: repository name not known to registry", "push"),
        ("docker.registry-rate-limited", 429, "toomanyrequests: You have reached your pull rate limit", "wait"),
        ("docker.registry-untrusted", 500, 'Get "https://r/v2/": tls: failed to verify: x509: unknown', "certs.d"),
        ("docker.registry-untrusted", 500, "http: server gave HTTP response to HTTPS client", "insecure-registries"),
        ("docker.registry-unreachable", 500, "received unexpected HTTP status: 503 Service Unavailable", "reachable"),
    ],
)
def test_messages_of_other_registries(
    engine: Engine, image: str, finding: str, status: int, message: str, hint: str
) -> None:
    result = check_changed(engine, image, "GET /distribution", refusing(status, message))
    result.fails(finding, Layer.ACCESS, IMAGE, hint=hint)


@pytest.mark.parametrize("prefix", ["-", "mistle/", "ü"])
def test_volume_refused(engine: Engine, image: str, prefix: str) -> None:
    result = check(engine.socket, image, prefix=prefix)
    result.fails("docker.volume-refused", Layer.ACCESS, PREFIX, hint=f"{PREFIX} (mistle.toml)")
    assert "invalid characters" in result["docker.volume-refused"].message


def test_volume_refused_without_a_prefix(engine: Engine, image: str) -> None:
    # So does a filter of the socket that allows to create containers only.
    result = check_changed(engine, image, "POST /volumes/create", refusing(403, "not allowed"))
    result.fails("docker.call-refused", Layer.ACCESS, SOCKET, hint="volumes")


def test_volume_removal_refused(engine: Engine, image: str) -> None:
    result = check_changed(engine, image, "DELETE /volumes/", refusing(403, "not allowed"), prefix="mistle-")
    (volume,) = engine.contents()["volumes"]
    result.fails("docker.call-refused", Layer.ACCESS, SOCKET, hint=f"docker volume rm {volume}")
    with closing(engine.client()) as client:
        client.volumes.get(volume).remove()


def test_volume_created_after_the_time_out_is_removed(engine: Engine, image: str) -> None:
    before = engine.contents()
    result = check_changed(engine, image, "POST /volumes/create", late(2.4), timeout=6.0)
    result.fails("docker.silent", Layer.ACCESS, SOCKET, hint="docker volume rm mistle-preflight-")
    assert engine.contents() == before


@contextmanager
def interrupted(engine: Engine, image: str, after: float) -> Iterator[tuple[Finding, ...]]:
    """The findings of a check that is cancelled while it creates a volume; the engine replies `after` seconds later."""
    created, released = Event(), Event()

    def hold(ask: Callable[[], Answer]) -> Answer:
        answer = ask()
        created.set()
        released.wait(5)
        return answer

    async def cancel(path: Path) -> tuple[Finding, ...]:
        subject = planned("sandbox.docker", {"sandbox.provider": "docker", SOCKET: str(path), IMAGE: image})
        record = Recorder(subject, Settings(Trust(None), 4.0))
        task = asyncio.ensure_future(subject.run(record))
        await asyncio.to_thread(created.wait, 5)
        task.cancel()
        asyncio.get_running_loop().call_later(after, released.set)
        with suppress(asyncio.CancelledError):
            await task
        return record.finish()

    with changed_engine(engine.socket, {"POST /volumes/create": hold}) as path:
        yield asyncio.run(cancel(path))
        released.set()


def wait_until_gone(engine: Engine) -> None:
    """While the process runs, the thread that removes the volume runs too."""
    for _ in range(100):
        if not engine.contents()["volumes"]:
            return
        time.sleep(0.05)
    raise AssertionError(engine.contents())


def test_volume_is_removed_after_an_interrupt(engine: Engine, image: str) -> None:
    before = engine.contents()
    with interrupted(engine, image, after=0.02) as findings:
        assert engine.contents() == before
    assert "docker.leftover" not in {finding.id for finding in findings}


def test_leftover_of_an_interrupt_is_reported(engine: Engine, image: str) -> None:
    with interrupted(engine, image, after=60) as findings:
        (leftover,) = (finding for finding in findings if finding.id == "docker.leftover")
        (volume,) = engine.contents()["volumes"]
        assert volume in leftover.message
        assert leftover.status is Status.WARN
        assert "docker volume rm" in leftover.hint
        wait_until_gone(engine)


def test_leftover_after_the_deadline_is_reported(engine: Engine, image: str) -> None:
    with changed_engine(engine.socket, {"POST /volumes/create": late(2.0)}) as path:
        subject = planned("sandbox.docker", {"sandbox.provider": "docker", SOCKET: str(path), IMAGE: image})
        outcome = run((subject,), Settings(Trust(None), 10.0), deadline=0.8, origins={})
        assert {"run.deadline", "docker.leftover"} <= {finding.id for finding in outcome.results[0].findings}
        wait_until_gone(engine)


@pytest.mark.parametrize(("api", "layer"), [("1.44", Layer.FITNESS), ("1.24", Layer.FITNESS)])
def test_api_too_old(engine: Engine, image: str, api: str, layer: Layer) -> None:
    result = check_changed(engine, image, "GET /version", with_values(ApiVersion=api))
    result.fails("docker.api-too-old", layer, SOCKET, hint="(mistle.toml) to 26 or newer")
    assert f"API {api}" in result["docker.api-too-old"].message


@pytest.mark.skipif(not has_cgroup(1), reason="this machine has cgroup v2 alone")
def test_cgroup_v1(image: str) -> None:
    with docker_engine(cgroup=1) as other:
        other.make_image(HELPER)
        check(other.socket, image).fails("docker.cgroup-v1", Layer.FITNESS, SOCKET, hint="cgroup v2")


def test_cgroup_v1_reported(engine: Engine, image: str) -> None:
    result = check_changed(engine, image, "GET /info", with_values(CgroupVersion="1"))
    result.fails("docker.cgroup-v1", Layer.FITNESS, SOCKET, hint="unified_cgroup_hierarchy")


def test_helper_image_missing(secluded: Engine, image: str) -> None:
    result = check(secluded.socket, image)
    result.warns("docker.helper-image-missing", Layer.FITNESS, SOCKET, hint="docker pull alpine:3.20")
    assert "alpine:3.20" in result["docker.helper-image-missing"].message


def test_wrong_platform(engine: Engine, registry: Server) -> None:
    reference = f"{registry.address}/mistle/foreign:1"
    engine.make_image(reference, "linux/arm64")
    with closing(engine.client()) as client:
        client.images.push(reference)
    result = check(engine.socket, reference)
    result.fails("docker.wrong-platform", Layer.FITNESS, IMAGE, hint="buildx build --platform")
    assert "is for linux/arm64; the daemon is linux/" in result["docker.wrong-platform"].message


@pytest.mark.parametrize(
    ("platforms", "status"),
    [
        ([{"os": "linux", "architecture": "s390x"}, {"os": "linux", "architecture": "amd64"}], Status.OK),
        ([{"os": "linux", "architecture": "386"}], Status.OK),
        ([{"os": "windows", "architecture": "amd64"}, {"os": "unknown", "architecture": "unknown"}], Status.FAIL),
        ([], Status.OK),  # images of the oldest format name none
        (None, Status.OK),
    ],
)
def test_platforms_of_an_image(engine: Engine, image: str, platforms: object, status: Status) -> None:
    changes = {"GET /distribution": with_values(Platforms=platforms), "GET /version": with_values(Arch="amd64")}
    with changed_engine(engine.socket, changes) as path:
        assert check(path, image).status is status


def test_no_tag(engine: Engine, image: str) -> None:
    result = check(engine.socket, image.removesuffix(":latest"))
    result.warns("docker.no-tag", Layer.FITNESS, IMAGE, hint="such as :latest")


def test_low_disk(engine: Engine, image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = with_values(Name=socket.gethostname(), DockerRootDir=str(tmp_path))
    monkeypatch.setattr(fitness, "_LOW_SPACE", 0)
    assert check_changed(engine, image, "GET /info", here).status is Status.OK
    monkeypatch.setattr(fitness, "_LOW_SPACE", 2**62)  # no disk is this large
    result = check_changed(engine, image, "GET /info", here)
    result.warns("docker.low-disk", Layer.FITNESS, SOCKET, hint="docker system prune")
    assert f"GiB are left in {tmp_path}" in result["docker.low-disk"].message
    for elsewhere in (with_values(Name="another", DockerRootDir=str(tmp_path)), with_values(Name=socket.gethostname())):
        assert check_changed(engine, image, "GET /info", elsewhere).status is Status.OK


def test_planned_for_docker_provider_only() -> None:
    values = {"sandbox.provider": "e2b", SOCKET: "/run/docker.sock", IMAGE: "x:1"}
    with pytest.raises(StopIteration):
        planned("sandbox.docker", values)


# For the attacks on all kinds

_ID = "sha256:" + "5" * 64
_REPLIES = answers.Replies(
    {
        "version": ("200 OK", {"Version": "26.1.5", "ApiVersion": "1.45", "Os": "linux", "Arch": "amd64"}),
        "network": ("200 OK", {"Name": "sandboxes", "Scope": "local", "Attachable": False}),
        "networks": ("200 OK", [{"Name": "bridge"}, {"Name": "host"}]),
        "created": ("201 Created", {"Name": "mistle-preflight"}),
        "removed": ("200 OK", {}),
        "absent": ("404 Not Found", {"message": "No such container: mistle-preflight"}),
        "refused": ("400 Bad Request", {"message": "config cannot be empty in order to create a container"}),
        "distribution": (
            "200 OK",
            {"Descriptor": {"digest": _ID}, "Platforms": [{"os": "linux", "architecture": "amd64"}]},
        ),
        "image": ("200 OK", {"Id": _ID, "Os": "linux", "Architecture": "amd64"}),
        "info": (
            "200 OK",
            {"ID": "x", "Name": socket.gethostname(), "DockerRootDir": "/nowhere", "CgroupVersion": "2"},
        ),
    },
    (
        ("GET /version ", "version"),
        ("/networks?", "networks"),
        ("/networks/", "network"),
        ("/images/create?", "refused"),
        ("/containers/create?", "refused"),
        ("/containers/", "absent"),
        ("/commit?", "absent"),
        ("/volumes/create", "created"),
        ("/volumes/", "removed"),
        ("/distribution/", "distribution"),
        ("/images/", "image"),
        ("", "info"),
    ),
)
_NOT_DOCKER, _SILENT = Verdict("docker.not-docker"), Verdict("docker.silent")
_ROW = Row(
    "docker, Unix socket",
    Protocol(
        Layer.CONNECT,
        reply=json_http("200 OK", ApiVersion="1.45"),
        refusal=json_http("500 Error", message=TERMINAL),
    ),
    "sandbox.docker",
    {"sandbox.provider": "docker", IMAGE: "mistle/sandbox-base:latest", SOCKET: "{place}"},
    (SOCKET,),
    foreign=_NOT_DOCKER,
    refused=Verdict("docker.call-refused"),
    is_local=True,
    verdicts={
        "refused": Verdict("docker.daemon-down"),
        **dict.fromkeys(
            ("packets dropped", "silent", "one byte a second", "reply cut, then silence"),
            _SILENT,
        ),
        # A Unix socket has no reset, and HTTP that ends among its headers is empty to the SDK.
        "reset after connect": _SILENT,
        "reply cut, then closed": _SILENT,
        "reset within the first message": _SILENT,
    },
)


def _networks(networks: str) -> faults.Behaviour:
    missing = answers.reply("404 Not Found", json.dumps({"message": "network sandboxes not found"}))
    return answers.http(_REPLIES, {"network": missing, "networks": answers.reply("200 OK", networks)})


_FAMILY = Family(
    checks="sandbox.docker",
    scenes=dict.fromkeys(text_servers.DOCKER),
    settings={SOCKET: "{socket}"},
    server=text_servers.docker,
    is_local=True,
    hostile={
        "sends what none sends": answers.always(answers.reply("200 OK", "null")),
        "a little expands to a lot": floods.Flood(floods.OVER_HTTP["arrays in arrays"]),
        "sends without end": floods.Flood(floods.OVER_HTTP["a body without end"]),
    },
)
DESCRIPTOR = Descriptor(
    rows=(_ROW,),
    targets={
        "docker": Target(
            name="sandbox.docker",
            key=SOCKET,
            values=lambda path: {
                "sandbox.provider": "docker",
                SOCKET: path,
                NETWORK: "sandboxes",
                IMAGE: "registry.test/mistle/sandbox-base:1",
                PREFIX: "mistle-",
            },
            transport="unix",
            replies=_REPLIES,
            servers=(answers.http(_REPLIES, {}), *each_scene("docker", _FAMILY)),
            floods=floods.OVER_HTTP,
            flood_findings=frozenset({"docker.not-docker", "docker.silent"}),
            texts={
                "an error": hostile_replies.in_json(_REPLIES, "network", "500 Oops", lambda text: {"message": text}),
                "its version": hostile_replies.in_json(
                    _REPLIES,
                    "version",
                    "200 OK",
                    lambda text: {"Version": text, "ApiVersion": "1.45", "Os": text, "Arch": text},
                ),
                "a plain refusal": hostile_replies.served(
                    lambda text: answers.reply("500 Oops", hostile_replies.raw(text), "Content-Type: text/plain")
                ),
                "no HTTP at all": hostile_replies.served(lambda text: hostile_replies.line(text) + b"\r\n\r\n"),
                "a registry's words": hostile_replies.in_json(
                    _REPLIES, "distribution", "500 Oops", lambda text: {"message": text}
                ),
                "a platform": hostile_replies.in_json(
                    _REPLIES,
                    "distribution",
                    "200 OK",
                    lambda text: {"Platforms": [{"os": text, "architecture": text}]},
                ),
            },
            unreadable={
                "networks are null": (_networks("null"), "docker.unexpected-reply", Layer.ACCESS),
                "networks are a number": (_networks("5"), "docker.unexpected-reply", Layer.ACCESS),
            },
        )
    },
    families={"docker": _FAMILY},
)
