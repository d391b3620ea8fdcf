"""docker-compose.test.yml comes up healthy through scripts/stack, with the documented credentials."""

import json
import os
import re
import smtplib
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest
import redis
import requests
from docker import DockerClient
from docker.models.containers import Container

from tests.harness import profiles
from tests.harness.waiting import settled
from tests.testbed import runs
from tests.testbed.orphans import labelled

ROOT = Path(__file__).parents[2]
STACK = ROOT / "scripts" / "stack"
PROJECT = f"mistle-preflight-test-{runs.current().number}"
PORTS = re.findall(r"[A-Z0-9_]+_PORT\b", STACK.read_text())
SERVICES = ("postgres", "pgbouncer", "valkey", "radosgw", "postfix", "registry", "engine", "services")


def free_ports() -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in PORTS]
        return [each.getsockname()[1] for each in sockets]


def run(command: str, ports: dict[str, int]) -> None:
    chosen = {name: str(port) for name, port in ports.items()}
    environment = os.environ | chosen | {"COMPOSE_PROJECT_NAME": PROJECT, "STACK_FOLDER": f"/tmp/{PROJECT}"}
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


@pytest.fixture(scope="module")
def stack() -> Iterator[dict[str, int]]:
    ports = dict(zip(PORTS, free_ports(), strict=True))
    run("down", ports)  # removes what an interrupted run has left
    try:
        run("up", ports)
        yield ports
    finally:
        run("down", ports)
    assert health() == {}


def object_store(ports: dict[str, int]) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{ports['S3_PORT']}",
        region_name="us-east-1",
        aws_access_key_id="mistle-local",
        aws_secret_access_key="mistle-local-object-store",
    )


def test_stack_is_healthy(stack: dict[str, int]) -> None:
    assert set(health()) == set(SERVICES)
    assert set(health().values()) <= {"healthy", "starting"}  # Docker asks only every half minute
    for name in ("POSTGRES_PORT", "PGBOUNCER_PORT"):
        url = f"postgresql://mistle:mistle-local-postgres@127.0.0.1:{stack[name]}/mistle"
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT current_user").fetchone() == ("mistle",)
    with redis.Redis(port=stack["VALKEY_PORT"], password="mistle-local-valkey") as client:
        assert client.ping()
    with smtplib.SMTP(port=stack["SMTP_PORT"], host="127.0.0.1") as mail:
        mail.starttls()
        mail.login("mistle", "mistle-local-smtp")
    assert object_store(stack).list_objects_v2(Bucket="mistle-assets")["KeyCount"] == 0
    for name in ("CONTROL_PLANE_API_PORT", "DATA_PLANE_API_PORT", "DATA_PLANE_GATEWAY_PORT"):
        assert requests.get(f"http://127.0.0.1:{stack[name]}/__healthz", timeout=5).json() == {"ok": True}


NONSENSE = {
    "PGHOST": "nowhere.invalid",
    "PGSSLMODE": "verify-full",
    "PGPASSWORD": "nonsense",
    "AWS_ACCESS_KEY_ID": "nonsense",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    "AWS_PROFILE": "nonsense",
    "DOCKER_HOST": "tcp://127.0.0.1:1",
    "DOCKER_CONFIG": "/nowhere",
    "E2B_API_URL": "http://127.0.0.1:1",
    "E2B_DEBUG": "true",
    "HTTP_PROXY": "http://127.0.0.1:1",
    "https_proxy": "http://127.0.0.1:1",
    "ALL_PROXY": "socks5://127.0.0.1:1",
    "SSL_CERT_FILE": "/nowhere",
    "SSL_CERT_DIR": "/nowhere",
    "REQUESTS_CA_BUNDLE": "/nowhere",
}


@pytest.mark.parametrize("nonsense", profiles.first(1, [NONSENSE, {}]))
def test_the_example_passes_in_full_and_leaves_nothing(
    stack: dict[str, int], nonsense: dict[str, str], tmp_path: Path
) -> None:
    fill_home(tmp_path)
    before = contents(stack)
    command = [sys.executable, "-m", "preflight.cli.main", "--format", "json"]
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)} | pointed_at(stack) | nonsense
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, check=False)
    report = json.loads(done.stdout)
    assert done.returncode == 0, done.stdout
    problems = {each["id"] for check in report["checks"] for each in check["findings"] if each["status"] != "ok"}
    assert problems == {"config.sandbox-loopback"}, "the stack's gateway is on loopback, and no sandbox starts there"
    assert {check["kind"] for check in report["checks"]} >= {"postgres", "valkey", "object_store", "smtp", "docker"}
    assert {key["key"] for key in report["keys"] if key["evidence"] == "validated"} == NOTHING_TO_PROBE
    # Health checks open and close sessions.
    assert settled(lambda: contents(stack), before) == before


NOTHING_TO_PROBE = {
    "global.env",
    "telemetry.enabled",
    "telemetry.debug",
    "telemetry.resource_attributes",
    "services.control_plane_api.host",
    "services.control_plane_api.port",
    "services.control_plane_api.auth.secret",
    "services.control_plane_api.auth.enabled_methods",
    "services.control_plane_api.auth.allow_signups",
    "services.control_plane_api.auth.otp.length",
    "services.control_plane_api.auth.otp.expires_in_seconds",
    "services.control_plane_api.auth.otp.allowed_attempts",
    "services.control_plane_api.integrations.active_master_encryption_key_version",
    "services.data_plane_api.host",
    "services.data_plane_api.port",
    "services.data_plane_gateway.host",
    "services.data_plane_gateway.port",
    "services.control_plane_worker.workflow_concurrency",
    "services.data_plane_worker.workflow_concurrency",
    "workflow.control_plane.namespace_id",
    "workflow.data_plane.namespace_id",
    "kv.data_plane.backend",
    "email.smtp.from_name",
    "internal_auth.method",
    "sandbox.provider",
    "sandbox.storage.backend",
    "sandbox.sandboxd_test_faults_enabled",
}


def fill_home(home: Path) -> None:
    """Write files that drivers would read in the home folder."""
    for name in (".pgpass", ".netrc", ".aws/credentials", ".aws/config", ".docker/config.json", ".postgresql/root.crt"):
        path = home / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("nonsense")
        path.chmod(0o600)


def pointed_at(ports: dict[str, int]) -> dict[str, str]:
    """examples/compose.env, with the ports of this stack."""
    text = (ROOT / "examples/compose.env").read_text()
    for name, default in re.findall(r"\$\{(\w+_PORT):-(\d+)\}", (ROOT / "docker-compose.test.yml").read_text()):
        text = text.replace(f":{default}", f":{ports[name]}")
    text = text.replace("/tmp/mistle-preflight-stack", f"/tmp/{PROJECT}")
    overrides = dict(line.split("=", 1) for line in text.splitlines() if not line.startswith("#"))
    return (
        overrides
        | {"MISTLE_OBJECT_STORE_ASSETS_ENDPOINT": f"http://127.0.0.1:{ports['S3_PORT']}"}
        | {"MISTLE_EMAIL_SMTP_PORT": str(ports["SMTP_PORT"])}
    )


SESSIONS_FROM_HERE = """
SELECT count(*) FROM pg_stat_activity
WHERE client_addr = (SELECT client_addr FROM pg_stat_activity WHERE pid = pg_backend_pid())
"""


def contents(ports: dict[str, int]) -> dict[str, object]:
    """The contents of the servers, without rows: no statement names a table."""
    url = f"postgresql://mistle:mistle-local-postgres@127.0.0.1:{ports['POSTGRES_PORT']}/mistle"
    with psycopg.connect(url) as connection:
        relations = connection.execute("SELECT count(*) FROM pg_class").fetchone()
        sessions = connection.execute(SESSIONS_FROM_HERE).fetchone()
    with redis.Redis(port=ports["VALKEY_PORT"], password="mistle-local-valkey") as client:
        keys, clients = client.dbsize(), client.info("clients")["connected_clients"]
    with closing(DockerClient(base_url=f"unix:///tmp/{PROJECT}/docker.sock")) as client:
        volumes, containers = len(client.volumes.list()), len(client.containers.list(all=True))
    objects = object_store(ports).list_objects_v2(Bucket="mistle-assets")["KeyCount"]
    (postfix,) = (each for each in labelled(f"com.docker.compose.project={PROJECT}") if "postfix" in each.name)
    queue = postfix.exec_run("mailq").output
    return {
        "relations": relations,
        "sessions": sessions,
        "keys": keys,
        "clients": clients,
        "volumes": volumes,
        "containers": containers,
        "objects": objects,
        "queue": queue,
    }


def test_stack_publishes_the_ports_it_passes_on() -> None:
    assert set(PORTS) == set(re.findall(r"[A-Z0-9_]+_PORT\b", (ROOT / "docker-compose.test.yml").read_text()))


def test_stack_comes_up_again_after_a_sudden_end(stack: dict[str, int]) -> None:
    """As after a power failure: nothing could clean up."""
    running = [each for each in labelled(f"com.docker.compose.project={PROJECT}") if each.status == "running"]
    with ThreadPoolExecutor(len(running)) as pool:
        list(pool.map(Container.kill, running))
    run("up", stack)
    assert set(health()) == set(SERVICES)
