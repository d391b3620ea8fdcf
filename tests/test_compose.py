"""docker-compose.test.yml comes up healthy through scripts/stack, with the documented credentials."""

import os
import re
import smtplib
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import boto3
import psycopg
import pytest
import redis
import requests

from testbed.orphans import labelled

ROOT = Path(__file__).parent.parent
STACK = ROOT / "scripts" / "stack"
PROJECT = f"mistle-preflight-test-{os.getpid()}"
PORTS = re.findall(r"[A-Z0-9_]+_PORT\b", STACK.read_text())
SERVICES = ("postgres", "pgbouncer", "valkey", "radosgw", "postfix", "registry", "engine", "services")


def free_ports() -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in PORTS]
        return [each.getsockname()[1] for each in sockets]


def run(command: str, ports: dict[str, int]) -> None:
    chosen = {name: str(port) for name, port in ports.items()}
    environment = os.environ | chosen | {"COMPOSE_PROJECT_NAME": PROJECT, "ENGINE_FOLDER": f"/tmp/{PROJECT}"}
    done = subprocess.run(
        [STACK, command],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def health() -> dict[str, str]:
    containers = labelled(f"com.docker.compose.project={PROJECT}")
    running = (each for each in containers if each.status == "running")  # the migrations have run and ended
    return {each.labels["com.docker.compose.service"]: each.health for each in running}


@pytest.fixture
def stack() -> Iterator[dict[str, int]]:
    ports = dict(zip(PORTS, free_ports(), strict=True))
    try:
        run("up", ports)
        yield ports
    finally:
        run("down", ports)


def test_stack_is_healthy(stack: dict[str, int]) -> None:
    assert health() == dict.fromkeys(SERVICES, "healthy")
    for name in ("POSTGRES_PORT", "PGBOUNCER_PORT"):
        url = f"postgresql://mistle:mistle-local-postgres@127.0.0.1:{stack[name]}/mistle"
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT current_user").fetchone() == ("mistle",)
    with redis.Redis(port=stack["VALKEY_PORT"], password="mistle-local-valkey") as client:
        assert client.ping()
    with smtplib.SMTP(port=stack["SMTP_PORT"], host="127.0.0.1") as mail:
        mail.login("mistle", "mistle-local-smtp")
    store = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{stack['S3_PORT']}",
        region_name="us-east-1",
        aws_access_key_id="mistle-local",
        aws_secret_access_key="mistle-local-object-store",
    )
    assert store.list_objects_v2(Bucket="mistle-assets")["KeyCount"] == 0
    for name in ("CONTROL_PLANE_API_PORT", "DATA_PLANE_API_PORT", "DATA_PLANE_GATEWAY_PORT"):
        assert requests.get(f"http://127.0.0.1:{stack[name]}/__healthz", timeout=5).json() == {"ok": True}


def test_stack_publishes_the_ports_it_passes_on() -> None:
    assert set(PORTS) == set(re.findall(r"[A-Z0-9_]+_PORT\b", (ROOT / "docker-compose.test.yml").read_text()))


def test_stack_leaves_nothing_behind() -> None:
    assert health() == {}
