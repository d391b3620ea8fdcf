"""What a run leaves when its machine loses power: one documented command for each store finds and removes it."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from preflight.formats.explanation.text import paragraph
from preflight.reference.catalogue import entries
from tests.harness import configs, faults, profiles
from tests.harness.command import Command
from tests.harness.processes import ROOT
from tests.harness.store_faults import between, bucket
from tests.servers.engine import Answer, changed_engine
from tests.testbed import Engine, ObjectStore, Valkey, packages
from tests.testbed.object_store import BUCKET
from tests.testbed.valkey import valkey_server

AWS = "awscli==1.46.3"
_, _BLOCK = (ROOT / "docs/scale.md").read_text().split("<!-- leftovers -->\n```sh\n")
VALKEY, STORE, DOCKER = _BLOCK.partition("\n```")[0].splitlines()


def kill(folder: Path, values: dict[str, object], when: threading.Event, *flags: str) -> None:
    """Start a run, and kill all its processes at this event."""
    running = Command("--config", str(configs.write(folder, values)), *flags, start_new_session=True)
    assert when.wait(60)
    os.killpg(running.process.pid, signal.SIGKILL)
    assert running.end().code == -signal.SIGKILL


def shell(command: str, **environ: str) -> str:
    """What the documented command prints."""
    own = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **environ}
    return subprocess.run(["bash", "-ec", command], env=own, capture_output=True, text=True, check=True).stdout


def test_explanations_name_the_commands() -> None:
    for finding, command in {"object-store.leftover": STORE, "docker.leftover": DOCKER}.items():
        assert command in " ".join(paragraph(entries()[finding]).split())


@pytest.fixture
def own_valkey() -> Iterator[Valkey]:
    with valkey_server() as server:
        yield server


def test_valkey(own_valkey: Valkey, tmp_path: Path) -> None:
    """The connection breaks in the middle of the pipeline, before the second key gets its expiry."""
    cut, gone = threading.Event(), threading.Event()

    def forward(client: socket.socket) -> None:
        with closing(socket.create_connection((own_valkey.host, own_valkey.port))) as server:
            while data := client.recv(65536):
                before, found, _ = data.partition(b"*3\r\n$7\r\nPEXPIRE")
                server.sendall(before)
                if found:
                    server.recv(1024)
                    cut.set()
                    gone.wait(30)
                    return
                client.sendall(server.recv(65536))

    with faults.serving(forward) as port, own_valkey.client() as client:
        client.set("mistle:lease", "held")
        values = {"kv.data_plane.url": f"redis://127.0.0.1:{port}/0"}
        kill(tmp_path, values, cut, "--only=valkey")
        gone.set()
        assert [name for name in client.keys("*:mistle-preflight:*") if client.ttl(name) == -1]
        command = VALKEY.replace("URL", "redis://127.0.0.1:6379/0").replace("KEY_PREFIX", "mistle")
        container = own_valkey.container.get_wrapped_container()
        done = container.exec_run(["sh", "-c", command])
        assert done.exit_code == 0, done.output
        assert client.keys("*") == ["mistle:lease"]


@profiles.long
def test_object_store(store: ObjectStore, tmp_path: Path) -> None:
    if not (folder := packages.installed(AWS)):
        pytest.skip(f"pip cannot install {AWS}")
    put, gone = threading.Event(), threading.Event()

    def answer(request: bytes) -> bytes | None:
        if store.objects():
            put.set()
            gone.wait(30)
            return b""
        return None

    with between(store.port, answer) as port:
        kill(tmp_path, bucket(f"http://127.0.0.1:{port}"), put, "--only=object_store")
        gone.set()
    (name,) = store.objects()
    assert re.fullmatch(r"mistle-preflight/[0-9a-f]{16}", name)
    store.client().put_object(Bucket=BUCKET, Key="mistle-preflight.txt", Body=b"kept")
    keys = {"AWS_ACCESS_KEY_ID": store.owner.access_key_id, "AWS_SECRET_ACCESS_KEY": store.owner.secret_access_key}
    command = STORE.replace("BUCKET", BUCKET).replace("ENDPOINT", store.url)
    (aws := tmp_path / "aws").write_text(f'#!/bin/sh\nexec {sys.executable} -m awscli "$@"')
    aws.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    printed = shell(command, PATH=path, PYTHONPATH=str(folder), AWS_DEFAULT_REGION=store.region, **keys)
    assert f"delete: s3://{BUCKET}/{name}" in printed
    assert store.objects() == ["mistle-preflight.txt"]
    store.client().delete_object(Bucket=BUCKET, Key="mistle-preflight.txt")


@profiles.long
def test_docker(engine: Engine, tmp_path: Path) -> None:
    created, gone = threading.Event(), threading.Event()

    def hold(ask: Callable[[], Answer]) -> Answer:
        answer = ask()
        created.set()
        gone.wait(30)
        return answer

    with changed_engine(engine.socket, {"POST /volumes/create": hold}) as path, closing(engine.client()) as client:
        other = client.volumes.create("mistle-preflight-sandbox-1")
        values = {"sandbox.docker.socket_path": str(path), "sandbox.storage.docker_volume.name_prefix": "mistle-"}
        values |= {"sandbox.storage.docker_volume": None}
        kill(tmp_path, values, created, "--only=docker")
        gone.set()
        (left,) = set(engine.contents()["volumes"]) - {other.name}
        assert re.fullmatch(r"mistle-mistle-preflight-[0-9a-f]{16}", left)
        assert shell(DOCKER, DOCKER_HOST=f"unix://{engine.socket}").split() == [left]
        assert engine.contents()["volumes"] == [other.name]
        other.remove()
