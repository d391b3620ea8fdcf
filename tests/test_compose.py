"""docker-compose.test.yml comes up healthy through scripts/stack, with the documented credentials."""

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
import redis

from testbed.orphans import labelled

STACK = Path(__file__).parent.parent / "scripts" / "stack"
PROJECT = f"mistle-preflight-test-{os.getpid()}"
PORTS = ("POSTGRES_PORT", "PGBOUNCER_PORT", "VALKEY_PORT")


def free_ports() -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in PORTS]
        return [each.getsockname()[1] for each in sockets]


def run(command: str, ports: dict[str, int]) -> None:
    chosen = {name: str(port) for name, port in ports.items()}
    environment = os.environ | chosen | {"COMPOSE_PROJECT_NAME": PROJECT}
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
    assert health() == dict.fromkeys(("postgres", "pgbouncer", "valkey"), "healthy")
    for name in ("POSTGRES_PORT", "PGBOUNCER_PORT"):
        url = f"postgresql://mistle:mistle-local-postgres@127.0.0.1:{stack[name]}/mistle"
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT current_user").fetchone() == ("mistle",)
    with redis.Redis(port=stack["VALKEY_PORT"], password="mistle-local-valkey") as client:
        assert client.ping()


def test_stack_leaves_nothing_behind() -> None:
    assert health() == {}
