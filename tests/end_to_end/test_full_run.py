"""Complete runs, as an operator starts them: a configuration, real servers, a verdict for every key, an exit code."""

import base64
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

from preflight.config.loader import load
from tests.harness import configs, faults, profiles
from tests.testbed import PgBouncer, Postgres, Valkey, valkey_server
from tests.testbed.postgres import PASSWORD

MIGRATIONS = Path(__file__).parents[2] / "preflight/demo/migrations.sql"
PLANES = ("control_plane", "data_plane")
DATABASES = ("--only", "postgres", "--only", "valkey")
PATH = {"PATH": os.environ["PATH"]}


def preflight(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "preflight.cli.main", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=PATH | environ, timeout=60, check=False)


def report(file: Path, *arguments: str, **environ: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(
        preflight("--config", str(file), "--format", "json", *(arguments or DATABASES), **environ).stdout
    )
    return document


def verdicts(document: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {verdict["key"]: verdict for verdict in document["keys"]}


@pytest.fixture(scope="module")
def database(postgres: Postgres) -> str:
    """A migrated database; its one credential was encrypted with a master key that no test has."""
    name = postgres.database()
    statements = MIGRATIONS.read_bytes()
    with psycopg.connect(postgres.url(database=name), autocommit=True) as connection:
        connection.execute(statements)
        connection.execute("DELETE FROM control_plane.organization_credential_keys")
    return name


@pytest.fixture(scope="module")
def locked() -> Iterator[Valkey]:
    with valkey_server(requirepass="s3cret valkey/pass") as server:
        yield server


def urls(direct: str, pooled: str, kv: str) -> dict[str, object]:
    routes = {"direct": direct, "pooled": pooled}
    postgres = {f"postgres.{plane}.{route}_url": url for plane in PLANES for route, url in routes.items()}
    return {**postgres, "kv.data_plane.url": kv}


@pytest.fixture
def right(postgres: Postgres, pgbouncer: PgBouncer, locked: Valkey, database: str) -> dict[str, object]:
    return urls(postgres.url(database=database), pgbouncer.url(database=database), locked.url("s3cret valkey/pass"))


def test_full_run_is_ready(tmp_path: Path, right: dict[str, object]) -> None:
    file = configs.write(tmp_path, right)
    done = preflight("--config", str(file), "--format", "json", *DATABASES)
    document = json.loads(done.stdout)
    assert (done.returncode, done.stderr, document["ready"]) == (0, "", True)
    assert document["counts"]["checks"] == {"ok": 6, "skip": 0, "warn": 0, "fail": 0}
    probed = {key for key, verdict in verdicts(document).items() if verdict["evidence"] == "probed"}
    assert probed == {*right, "kv.data_plane.key_prefix"}
    assert {verdict["status"] for verdict in document["keys"] if verdict["key"] in probed} == {"ok"}


def test_one_wrong_password_blames_one_key(tmp_path: Path, right: dict[str, object], postgres: Postgres) -> None:
    key = "postgres.data_plane.direct_url"
    file = configs.write(tmp_path, right | {key: postgres.url(password="nonsense")})
    document = report(file)
    assert document["ready"] is False
    failed = [verdict for verdict in document["keys"] if verdict["status"] == "fail"]
    assert [verdict["key"] for verdict in failed] == [key]
    assert failed[0]["findings"] == ["postgres.password-rejected"]
    assert failed[0]["origin"] == configs.line_of(file, key)
    text = preflight("--config", str(file))
    assert text.returncode == 1
    assert f"correct the user name and password in {key} ({configs.line_of(file, key)})" in text.stdout


def test_equal_targets_are_probed_once_and_reported_for_each(
    tmp_path: Path, right: dict[str, object], postgres: Postgres, database: str
) -> None:
    def sessions() -> Any:
        postgres.sql("SELECT pg_stat_clear_snapshot()")
        return postgres.sql("SELECT sessions FROM pg_stat_database WHERE datname = %s", database)[0][0]

    direct = {key: value for key, value in right.items() if "pooled" not in key}
    file, before = configs.write(tmp_path, direct), sessions()
    document = report(file, "--only", "*.direct")
    for _ in range(50):
        if sessions() == before + 1:
            break
        time.sleep(0.1)
    assert sessions() == before + 1
    one, two = (check for check in document["checks"] if check["kind"] == "postgres")
    assert (one["name"], two["name"]) == ("postgres.control_plane.direct", "postgres.data_plane.direct")
    assert (one["keys"], two["keys"]) == ([f"postgres.{PLANES[0]}.direct_url"], [f"postgres.{PLANES[1]}.direct_url"])


def test_a_finding_of_one_plane_is_not_the_others(tmp_path: Path, right: dict[str, object], postgres: Postgres) -> None:
    database = postgres.database()
    with psycopg.connect(postgres.url(database=database), autocommit=True) as connection:
        connection.execute("CREATE SCHEMA data_plane")
    same = dict.fromkeys((f"postgres.{plane}.direct_url" for plane in PLANES), postgres.url(database=database))
    document = report(configs.write(tmp_path, right | same), "--only", "*.direct", "--stage", "before-deploy")
    statuses = {check["name"]: check["status"] for check in document["checks"]}
    assert statuses == {"config": "ok", "postgres.control_plane.direct": "ok", "postgres.data_plane.direct": "fail"}


def test_the_callers_variables_change_nothing(tmp_path: Path, right: dict[str, object]) -> None:
    nonsense = {
        "PGHOST": "nowhere.invalid",
        "PGHOSTADDR": "192.0.2.1",
        "PGPASSWORD": "nonsense",
        "PGSSLMODE": "verify-full",
        "PGOPTIONS": "-c nonsense=1",
        "PGSERVICE": "nonsense",
        "PGTARGETSESSIONATTRS": "standby",
        "HTTP_PROXY": "http://127.0.0.1:1",
        "https_proxy": "http://127.0.0.1:1",
        "ALL_PROXY": "socks5://127.0.0.1:1",
        "SSL_CERT_FILE": "/nowhere",
        "SSL_CERT_DIR": "/nowhere",
        "HOME": str(tmp_path),
    }
    (tmp_path / ".pgpass").write_text("*:*:*:*:nonsense\n")
    (tmp_path / ".pgpass").chmod(0o600)
    (tmp_path / ".postgresql").mkdir()
    (tmp_path / ".postgresql/root.crt").write_text("nonsense")
    document = report(configs.write(tmp_path, right), **nonsense)
    assert document["ready"] is True, document


def test_a_missing_password_is_not_taken_from_the_caller(
    tmp_path: Path, right: dict[str, object], postgres: Postgres
) -> None:
    key = "postgres.control_plane.direct_url"
    url = f"postgres://{postgres.name}@127.0.0.1:{postgres.port}/{postgres.name}"
    document = report(configs.write(tmp_path, right | {key: url}), PGPASSWORD=PASSWORD)
    assert verdicts(document)[key]["findings"] == ["postgres.password-rejected"]


def test_every_address_silent(tmp_path: Path) -> None:
    with ExitStack() as stack:
        ports = [stack.enter_context(fault()) for fault in (faults.black_hole, faults.silent_port, faults.black_hole)]
        direct, pooled = (f"postgres://u:p@127.0.0.1:{port}/d" for port in ports[:2])
        file = configs.write(tmp_path, urls(direct, pooled, f"redis://127.0.0.1:{ports[2]}"))
        document = report(file, *DATABASES, "--timeout", "5")  # more than a slow start takes
    # One time-out, not one for each.
    assert document["seconds"] < 0.8 * sum(check["seconds"] for check in document["checks"])
    assert {check["status"] for check in document["checks"][1:]} == {"fail"}


def encodings(secret: str) -> set[str]:
    encoded = base64.b64encode(secret.encode()).decode().rstrip("=")
    return {secret, quote(secret, safe=""), quote(secret), json.dumps(secret)[1:-1], repr(secret)[1:-1], encoded}


@pytest.mark.parametrize(
    "arguments", profiles.first(2, [["-v"], ["-v", "--format", "json"], ["-q"], ["config"], ["plan", "-v"]])
)
def test_no_secret_is_in_any_output(
    tmp_path: Path, arguments: list[str], postgres: Postgres, pgbouncer: PgBouncer, locked: Valkey
) -> None:
    secrets = {"postgres": 'p"g sécret@/%', "pooled": "pooled:secret#1", "kv": "kv\\secret"}
    wrong = urls(
        postgres.url(password=secrets["postgres"]),
        pgbouncer.url(password=secrets["pooled"]),
        locked.url(secrets["kv"]),
    )
    done = preflight("--config", str(configs.write(tmp_path, wrong)), *arguments)
    output = done.stdout + done.stderr
    assert "postgres.control_plane.direct_url" in output or arguments == ["config"]
    for secret in secrets.values():
        assert not [shape for shape in encodings(secret) if shape in output]


def echo(connection: socket.socket) -> None:
    """Send every request back, as an HTTP error and unchanged."""
    connection.settimeout(1)
    while request := connection.recv(65536):
        body = json.dumps({"error": request.decode(errors="replace"), "message": request.hex()}).encode() + request
        head = f"HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        connection.sendall(head.encode() + b"Server: " + request.split(b"\r\n")[0] + b"\r\n\r\n" + body)


@profiles.covering
@pytest.mark.parametrize("arguments", [["-v"], ["-v", "--format", "json"]])
@pytest.mark.parametrize("provider", [{}, configs.E2B])
def test_no_secret_is_in_any_output_of_any_kind(
    tmp_path: Path, arguments: list[str], provider: Mapping[str, object]
) -> None:
    with faults.serving(echo) as port:
        web, socket_url = f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}"
        services = ("control_plane_api", "data_plane_api", "data_plane_gateway")
        values: dict[str, object] = dict(configs.TELEMETRY) | dict(configs.CONTROL_KV) | dict(configs.GOOGLE)
        values |= {f"services.{name}.internal_url": web for name in services} | dict(provider)
        values |= {f"telemetry.{signal}.endpoint": f"{web}/v1/{signal}?key=query-secret" for signal in SIGNALS}
        tunnel_url = f"{socket_url}/tunnel/sandbox"
        values |= {f"services.data_plane_gateway.sandbox_ws_{side}_url": tunnel_url for side in SIDES}
        values |= urls(
            *(f"postgres://u:postgres-secret@127.0.0.1:{port}/d",) * 2, f"redis://:kv-secret@127.0.0.1:{port}"
        )
        values |= {"object_store.assets.endpoint": web, "object_store.assets.force_path_style": True}
        values |= {"email.smtp.host": "127.0.0.1", "email.smtp.port": port, "email.smtp.secure": False}
        file = configs.write(tmp_path, values)
        secrets = load(file, {}).secrets
        done = preflight("--config", str(file), "--timeout", "3", *arguments)
    output = done.stdout + done.stderr
    assert done.returncode == 1, output
    assert {"query-secret", "kv-secret", "postgres-secret", "smtp-password", "assets-secret-key"} <= set(secrets)
    for secret in secrets:
        assert not [shape for shape in encodings(secret) if shape in output], secret
    assert "eyJ" not in output


SIGNALS, SIDES = ("traces", "logs", "metrics"), ("internal", "public")
