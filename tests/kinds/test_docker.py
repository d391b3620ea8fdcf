"""A Docker Engine and registries, real ones, each fault for real."""

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

from checks.core.check import Finding, Layer, Recorder, Settings, Status
from checks.core.limits import BoundedResponse
from checks.core.roots import Trust
from checks.docker import fitness
from checks.docker.socket_access import open_socket
from preflight.run.runner import run
from tests.harness import answers, faults, floods, hostile_replies, profiles, socket_faults, text_servers
from tests.harness.descriptor import Descriptor, Family, Target, each_scene
from tests.harness.fault_rows import TERMINAL, Protocol, Row, Verdict, json_http
from tests.harness.run_check import CheckRun, planned, run_check
from tests.servers.engine import Answer, Change, changed_engine, late, refusing, saying
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


def altered(engine: Engine, image: str, call: str, change: Change, **options: Any) -> CheckRun:
    with changed_engine(engine.socket, {call: change}) as path:
        return check(path, image, **options)


def as_nobody(function: Callable[[], CheckRun]) -> CheckRun:
    """In a thread that, unlike root, must heed the rights of files; so must the threads that it starts."""
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
    """An image in a registry that asks for a login."""
    with image_registry(login=True) as server:
        engine.push(f"{server.address}/{NAME}:latest", **LOGIN)
        yield f"{server.address}/{NAME}:latest"


@pytest.fixture(scope="module")
def image(engine: Engine, registry: Server) -> str:
    """In the registry alone. The engine has the helper image."""
    engine.make_image(HELPER)
    engine.push(f"{registry.address}/{NAME}:latest")
    return f"{registry.address}/{NAME}:latest"


@pytest.fixture(scope="module")
def secluded() -> Iterator[Engine]:
    """It has no image, and Docker Hub is out of its reach."""
    with docker_engine(https_proxy="http://127.0.0.1:1") as server:
        yield server


@contextmanager
def network(engine: Engine, name: str, **options: Any) -> Iterator[None]:
    with closing(engine.client()) as client:
        made = client.networks.create(name, **options)
        yield
        made.remove()


@profiles.quick
def test_every_rung_passes_and_nothing_stays(engine: Engine, image: str) -> None:
    with network(engine, "sandboxes", internal=True, options={"com.docker.network.bridge.name": "sbx0"}):
        before = engine.contents()
        found = check(engine.socket, image, network="sandboxes", prefix="mistle-")
        assert engine.contents() == before
    assert found.status is Status.OK, found
    assert [(finding.id, *finding.fields) for finding in found.findings] == [
        ("docker.connect", SOCKET),
        ("docker.access", NETWORK),
        ("docker.access", PREFIX),
        ("docker.access", IMAGE),
        ("docker.fitness", SOCKET, IMAGE),
    ]
    assert found.facts["api"] == "1.45"
    assert str(found.facts["version"]).startswith("26.1")


def test_without_a_network_and_a_prefix(engine: Engine, image: str) -> None:
    found = check(engine.socket, image)
    assert found.status is Status.OK, found
    assert [finding.fields for finding in found.findings][1:3] == [(SOCKET,), (IMAGE,)]


def test_read_only_makes_no_volume(engine: Engine, image: str) -> None:
    found = altered(engine, image, "POST ", refusing(500, "asked to write"), prefix="mistle-", read_only=True)
    skipped = [finding for finding in found.findings if finding.status is Status.SKIP]
    assert [(each.message, each.fields) for each in skipped] == [("no volume is made: --read-only", (PREFIX,))]
    assert found.status is Status.SKIP, found


def test_socket_missing(tmp_path: Path) -> None:
    found = check(tmp_path / "docker.sock")
    found.fails("docker.socket-missing", Layer.CONNECT, SOCKET, hint="mount its socket")
    assert "No such file" in found["docker.socket-missing"].message


def test_socket_is_a_dangling_link(tmp_path: Path) -> None:
    path = tmp_path / "docker.sock"
    path.symlink_to("/run/nowhere/docker.sock")
    found = check(path).fails("docker.socket-missing", Layer.CONNECT, SOCKET, hint="correct the path")
    assert "a link to /run/nowhere/docker.sock" in found.message


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("unix:///var/run/docker.sock", "without unix://"),
        ("tcp://10.0.0.1:2375", "Unix socket only"),
        ("/dev/null/docker.sock", "correct the path"),
        ("/tmp/\0", "correct the path"),
    ],
)
def test_path_that_cannot_be_one(path: str, hint: str) -> None:
    check(path).fails("docker.socket-missing", Layer.CONNECT, SOCKET, hint=hint)


def test_not_a_socket(tmp_path: Path) -> None:
    found = check(tmp_path).fails("docker.not-a-socket", Layer.CONNECT, SOCKET, hint="/var/run/docker.sock")
    assert found.message == f"{tmp_path} is a directory"
    (tmp_path / "file").touch()
    assert check(tmp_path / "file")["docker.not-a-socket"].message.endswith("is a file")


def test_permission_denied() -> None:
    with socket_faults.silent_socket() as path:
        path.parent.chmod(0o755)
        path.chmod(0o600 if os.geteuid() == 0 else 0)
        found = as_nobody(lambda: check(path))
    found.fails("docker.permission-denied", Layer.CONNECT, SOCKET, hint="the group that owns the socket")
    assert "its mode is 0" in found["docker.permission-denied"].message


def test_permission_denied_by_a_directory() -> None:
    with socket_faults.silent_socket() as path:
        path.parent.chmod(0o600)
        found = as_nobody(lambda: check(path))
        path.parent.chmod(0o700)
    found.fails("docker.permission-denied", Layer.CONNECT, SOCKET, hint="group_add")
    assert "a directory above it may not be entered" in found["docker.permission-denied"].message


def test_daemon_down() -> None:
    with docker_engine() as other:
        other.stop()
        found = check(other.socket)
    found.fails("docker.daemon-down", Layer.CONNECT, SOCKET, hint="systemctl start docker")
    assert found["docker.access"].message == "not reached"


def test_silent_daemon() -> None:
    with docker_engine() as other:
        other.pause()
        started = time.monotonic()
        found = check(other.socket, timeout=1.0)
    assert time.monotonic() - started < 15
    found.fails("docker.silent", Layer.CONNECT, SOCKET, hint="restart it")


def test_daemon_takes_no_more_connections() -> None:
    with socket_faults.full_socket() as path:
        found = check(path)
    found.fails("docker.silent", Layer.CONNECT, SOCKET, hint="restart it")
    assert "queue is full" in found["docker.silent"].message


@pytest.mark.parametrize("error", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_what_this_machine_lacks_is_not_the_sockets_fault(error: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def lack(*_: object) -> None:
        raise OSError(error, os.strerror(error))

    with socket_faults.silent_socket() as path:
        monkeypatch.setattr(socket.socket, "connect", lack)
        with pytest.raises(OSError, match=os.strerror(error)):
            open_socket(str(path), 1.0)


@pytest.mark.parametrize("error", [errno.EIO, errno.ESTALE, errno.ECONNRESET, errno.ENXIO, errno.ENOBUFS])
def test_socket_that_does_not_work_is_not_missing(error: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(error, os.strerror(error))

    with socket_faults.silent_socket() as path:
        monkeypatch.setattr(socket.socket, "connect", refuse)
        finding = check(path).fails("docker.daemon-down", Layer.CONNECT, SOCKET, hint="start the Docker daemon")
    assert os.strerror(error) in finding.message


def test_a_bounded_answer_can_be_polled() -> None:
    connection, other = socket.socketpair()
    with connection, other, closing(BoundedResponse(connection)) as answer:
        assert select.select([answer], [], [], 0.0) == ([], [], [])
        other.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        assert select.select([answer], [], [], 5.0) == ([answer], [], [])


def test_daemon_that_hangs_up() -> None:
    with socket_faults.serving(lambda _: None) as path:
        found = check(path).fails("docker.silent", Layer.CONNECT, SOCKET, hint="restart it")
    assert "broke before an answer" in found.message


def test_daemon_that_stops_answering_is_asked_no_more(engine: Engine, image: str) -> None:
    before = engine.contents()
    found = altered(engine, image, "GET /networks", late(8.0), network="host", timeout=3.0)
    found.fails("docker.silent", Layer.ACCESS, SOCKET, hint="restart it")
    assert engine.contents() == before


def test_dripping_daemon() -> None:
    with socket_faults.serving(drip) as path:
        found = check(path, timeout=1.0)
    found.fails("docker.silent", Layer.CONNECT, SOCKET, hint="restart it")


def drip(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(b" ")
        time.sleep(0.1)


HEAD = b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"


def reply(body: bytes, status: bytes = b"200 OK") -> bytes:
    return HEAD % (status, len(body), body)


@pytest.mark.parametrize(
    "words",
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
def test_not_docker(words: bytes) -> None:
    with socket_faults.garbage_socket(words) as path:
        check(path).fails("docker.not-docker", Layer.CONNECT, SOCKET, hint="Docker daemon's socket")


@pytest.mark.parametrize("part", [1, 5, 9, 12, 14, 16, 20, 36, 37, 38, 55, 56])
def test_reply_that_is_cut_among_its_headers_is_a_broken_connection(part: int) -> None:
    with socket_faults.garbage_socket(reply(b"")[:part]) as path:
        found = check(path).fails("docker.silent", Layer.CONNECT, SOCKET, hint="restart it")
    assert "broke before an answer" in found.message


def test_a_filter_refuses_calls(engine: Engine, image: str) -> None:
    # Authorization plugins and filtering proxies of the socket answer so.
    refusal = refusing(403, "authorization denied by plugin opa")
    found = altered(engine, image, "GET /version", refusal)
    found.fails("docker.call-refused", Layer.CONNECT, SOCKET, hint="act on its words")
    found = altered(engine, image, "GET /info", refusal)
    found.fails("docker.call-refused", Layer.FITNESS, SOCKET, hint="act on its words")
    found = altered(engine, image, "GET /distribution", refusal)
    found.fails("docker.call-refused", Layer.ACCESS, SOCKET, hint="act on its words")
    assert "denied by plugin opa" in found["docker.call-refused"].message
    refusal = refusing(403, "Request forbidden by administrative rules.")
    found = altered(engine, image, "GET /distribution", refusal)
    found.fails("docker.call-refused", Layer.ACCESS, SOCKET, hint="distribution")


@pytest.mark.parametrize("words", ["Path /v1.41/distribution/alpine/json is not supported", "404 page not found"])
def test_an_engine_that_has_no_call_for_registries(engine: Engine, image: str, words: str) -> None:
    # Podman's 5.4 and before 5.
    found = altered(engine, image, "GET /distribution", refusing(404, words))
    found.fails("docker.call-refused", Layer.ACCESS, SOCKET, hint="distribution")
    assert words in found["docker.call-refused"].message


def test_network_missing(engine: Engine, image: str) -> None:
    found = check(engine.socket, image, network="sandboxes")
    found.fails("docker.network-missing", Layer.ACCESS, NETWORK, hint="docker network create")
    assert found["docker.network-missing"].message == "there is no network sandboxes; there are host, none"


def test_network_of_a_swarm(secluded: Engine, image: str) -> None:
    with closing(secluded.client()) as client:
        client.swarm.init(advertise_addr="127.0.0.1")
        client.networks.create("services", driver="overlay")
        client.networks.create("anyone", driver="overlay", attachable=True)
    found = check(secluded.socket, image, network="services")
    found.fails("docker.network-not-attachable", Layer.ACCESS, NETWORK, hint="--attachable")
    assert check(secluded.socket, image, network="anyone").status is Status.WARN


def test_everything_of_one_layer_is_said_at_once(engine: Engine, registry: Server) -> None:
    found = check(engine.socket, f"{registry.address}/nope:1", network="nope", prefix="-")
    failed = [finding.id for finding in found.findings if finding.status is Status.FAIL]
    assert failed == ["docker.network-missing", "docker.volume-refused", "docker.image-missing"]
    assert found["docker.fitness"].message == "not reached"


def test_image_missing(engine: Engine, registry: Server) -> None:
    found = check(engine.socket, f"{registry.address}/{NAME}:nope")
    found.fails("docker.image-missing", Layer.ACCESS, IMAGE, hint="push the image")
    assert "manifest unknown" in found["docker.image-missing"].message


def test_image_that_only_the_daemon_has(engine: Engine, registry: Server) -> None:
    engine.make_image(f"{registry.address}/mistle/mine:1")
    found = check(engine.socket, f"{registry.address}/mistle/mine:1")
    with closing(engine.client()) as client:
        image_id = client.images.get(f"{registry.address}/mistle/mine:1").id
    found.fails("docker.image-missing", Layer.ACCESS, IMAGE, hint=image_id)
    assert "Mistle pulls before every start" in found["docker.image-missing"].message
    assert check(engine.socket, image_id).status is Status.OK


def test_image_id_that_the_daemon_lacks(engine: Engine) -> None:
    found = check(engine.socket, f"sha256:{'0' * 64}")
    found.fails("docker.image-missing", Layer.ACCESS, IMAGE, hint="correct its name")


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
        assert client.images.get_registry_data(locked)  # the caller's own login would do
    found = check(engine.socket, locked)
    found.fails("docker.image-needs-login", Layer.ACCESS, IMAGE, hint="make the image public")
    assert LOGIN["password"] not in str(found)
    assert login not in str(found)


def test_the_callers_settings_change_nothing(
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
    found = check(engine.socket, "127.0.0.1:1/mistle/mine:1")
    found.fails("docker.registry-unreachable", Layer.ACCESS, IMAGE, hint="the id of the daemon's copy, sha256:")
    assert "connection refused" in found["docker.registry-unreachable"].message


def test_silent_registry(engine: Engine) -> None:
    with image_registry() as other:
        other.pause()
        found = check(engine.socket, f"{other.address}/{NAME}:latest", timeout=4.0)
    found.fails("docker.registry-unreachable", Layer.ACCESS, IMAGE, hint="reachable from the daemon's machine")
    assert "the daemon still waits" in found["docker.registry-unreachable"].message


# What Docker Hub, GitHub's registry and one with a certificate of its own make a daemon say.
@pytest.mark.parametrize(
    ("finding", "status", "words", "hint"),
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
def test_words_of_other_registries(
    engine: Engine, image: str, finding: str, status: int, words: str, hint: str
) -> None:
    found = altered(engine, image, "GET /distribution", refusing(status, words))
    found.fails(finding, Layer.ACCESS, IMAGE, hint=hint)


@pytest.mark.parametrize("prefix", ["-", "mistle/", "ü"])
def test_volume_refused(engine: Engine, image: str, prefix: str) -> None:
    found = check(engine.socket, image, prefix=prefix)
    found.fails("docker.volume-refused", Layer.ACCESS, PREFIX, hint=f"{PREFIX} (mistle.toml)")
    assert "invalid characters" in found["docker.volume-refused"].message


def test_volume_refused_without_a_prefix(engine: Engine, image: str) -> None:
    # Filters of the socket that let containers alone be made.
    found = altered(engine, image, "POST /volumes/create", refusing(403, "not allowed"))
    found.fails("docker.volume-refused", Layer.ACCESS, SOCKET, hint="act on the daemon's words")


def test_volume_that_may_not_be_removed(engine: Engine, image: str) -> None:
    found = altered(engine, image, "DELETE /volumes/", refusing(403, "not allowed"), prefix="mistle-")
    (left,) = engine.contents()["volumes"]
    found.fails("docker.volume-refused", Layer.ACCESS, PREFIX, hint=f"docker volume rm {left}")
    with closing(engine.client()) as client:
        client.volumes.get(left).remove()


def test_volume_made_too_late_is_removed(engine: Engine, image: str) -> None:
    before = engine.contents()
    found = altered(engine, image, "POST /volumes/create", late(2.4), timeout=6.0)
    found.fails("docker.silent", Layer.ACCESS, SOCKET, hint="docker volume rm mistle-preflight-")
    assert engine.contents() == before


@contextmanager
def interrupted(engine: Engine, image: str, after: float) -> Iterator[tuple[Finding, ...]]:
    """What is found when the climb is cancelled while a volume is made; the engine answers `after` seconds later."""
    made, go_on = Event(), Event()

    def hold(ask: Callable[[], Answer]) -> Answer:
        answer = ask()
        made.set()
        go_on.wait(5)
        return answer

    async def cancel(path: Path) -> tuple[Finding, ...]:
        subject = planned("sandbox.docker", {"sandbox.provider": "docker", SOCKET: str(path), IMAGE: image})
        record = Recorder(subject, Settings(Trust(None), 4.0))
        task = asyncio.ensure_future(subject.run(record))
        await asyncio.to_thread(made.wait, 5)
        task.cancel()
        asyncio.get_running_loop().call_later(after, go_on.set)
        with suppress(asyncio.CancelledError):
            await task
        return record.finish()

    with changed_engine(engine.socket, {"POST /volumes/create": hold}) as path:
        yield asyncio.run(cancel(path))
        go_on.set()


def wait_until_gone(engine: Engine) -> None:
    """In a process that lives on, so does the thread that removes the volume."""
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


def test_volume_that_an_interrupt_leaves_is_named(engine: Engine, image: str) -> None:
    with interrupted(engine, image, after=60) as findings:
        (left,) = (finding for finding in findings if finding.id == "docker.leftover")
        (volume,) = engine.contents()["volumes"]
        assert volume in left.message
        assert left.status is Status.WARN
        assert "docker volume rm" in left.hint
        wait_until_gone(engine)


def test_leftover_is_in_the_report_of_a_run_that_ended_early(engine: Engine, image: str) -> None:
    with changed_engine(engine.socket, {"POST /volumes/create": late(2.0)}) as path:
        subject = planned("sandbox.docker", {"sandbox.provider": "docker", SOCKET: str(path), IMAGE: image})
        done = run((subject,), Settings(Trust(None), 10.0), deadline=0.8, origins={})
        assert {"run.deadline", "docker.leftover"} <= {finding.id for finding in done.results[0].findings}
        wait_until_gone(engine)


@pytest.mark.parametrize(("api", "layer"), [("1.44", Layer.FITNESS), ("1.24", Layer.FITNESS)])
def test_api_too_old(engine: Engine, image: str, api: str, layer: Layer) -> None:
    found = altered(engine, image, "GET /version", saying(ApiVersion=api))
    found.fails("docker.api-too-old", layer, SOCKET, hint="(mistle.toml) to 26 or newer")
    assert f"API {api}" in found["docker.api-too-old"].message


@pytest.mark.skipif(not has_cgroup(1), reason="this machine has cgroup v2 alone")
def test_cgroup_v1(image: str) -> None:
    with docker_engine(cgroup=1) as other:
        other.make_image(HELPER)
        check(other.socket, image).fails("docker.cgroup-v1", Layer.FITNESS, SOCKET, hint="cgroup v2")


def test_cgroup_v1_reported(engine: Engine, image: str) -> None:
    found = altered(engine, image, "GET /info", saying(CgroupVersion="1"))
    found.fails("docker.cgroup-v1", Layer.FITNESS, SOCKET, hint="unified_cgroup_hierarchy")


def test_helper_image_missing(secluded: Engine, image: str) -> None:
    found = check(secluded.socket, image)
    found.warns("docker.helper-image-missing", Layer.FITNESS, SOCKET, hint="docker pull alpine:3.20")
    assert "alpine:3.20" in found["docker.helper-image-missing"].message


def test_wrong_platform(engine: Engine, registry: Server) -> None:
    reference = f"{registry.address}/mistle/foreign:1"
    engine.make_image(reference, "linux/arm64")
    with closing(engine.client()) as client:
        client.images.push(reference)
    found = check(engine.socket, reference)
    found.fails("docker.wrong-platform", Layer.FITNESS, IMAGE, hint="buildx build --platform")
    assert "is for linux/arm64; the daemon is linux/" in found["docker.wrong-platform"].message


@pytest.mark.parametrize(
    ("platforms", "status"),
    [
        ([{"os": "linux", "architecture": "s390x"}, {"os": "linux", "architecture": "amd64"}], Status.OK),
        ([{"os": "linux", "architecture": "386"}], Status.OK),
        ([{"os": "windows", "architecture": "amd64"}, {"os": "unknown", "architecture": "unknown"}], Status.FAIL),
        ([], Status.OK),  # images of the oldest form name none
        (None, Status.OK),
    ],
)
def test_platforms_of_an_image(engine: Engine, image: str, platforms: object, status: Status) -> None:
    with changed_engine(
        engine.socket, {"GET /distribution": saying(Platforms=platforms), "GET /version": saying(Arch="amd64")}
    ) as path:
        assert check(path, image).status is status


def test_no_tag(engine: Engine, image: str) -> None:
    found = check(engine.socket, image.removesuffix(":latest"))
    found.warns("docker.no-tag", Layer.FITNESS, IMAGE, hint="such as :latest")


def test_low_disk(engine: Engine, image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = saying(Name=socket.gethostname(), DockerRootDir=str(tmp_path))
    monkeypatch.setattr(fitness, "_LITTLE", 0)
    assert altered(engine, image, "GET /info", here).status is Status.OK
    monkeypatch.setattr(fitness, "_LITTLE", 2**62)  # no disk is this large
    found = altered(engine, image, "GET /info", here)
    found.warns("docker.low-disk", Layer.FITNESS, SOCKET, hint="docker system prune")
    assert f"GiB are left in {tmp_path}" in found["docker.low-disk"].message
    for elsewhere in (saying(Name="another", DockerRootDir=str(tmp_path)), saying(Name=socket.gethostname())):
        assert altered(engine, image, "GET /info", elsewhere).status is Status.OK


def test_only_where_docker_is_the_provider() -> None:
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
            ("packets dropped", "silent", "one byte a second", "answer cut, then silence"),
            _SILENT,
        ),
        # A Unix socket has no reset, and HTTP that ends among its headers is empty to the SDK.
        "reset after connect": _SILENT,
        "answer cut, then closed": _SILENT,
        "reset half way through the first words": _NOT_DOCKER,
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
        "says what none says": answers.always(answers.reply("200 OK", "null")),
        "a little means a lot": floods.Flood(floods.OVER_HTTP["arrays in arrays"]),
        "speaks without end": floods.Flood(floods.OVER_HTTP["a body without end"]),
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
