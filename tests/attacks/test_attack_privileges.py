"""The least privileges, and each of them taken away.

SECURITY.md holds the statements, the policy and the lists that give a probe what it needs and nothing else. The test
applies them, as they stand there, to real servers that enforce them; every probe passes. Then each right is taken away
alone, and the table shows the finding.
"""

import json
import re
import shlex
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from checks.core.finding import Layer, Status
from tests.harness import configs, profiles, security_md
from tests.harness.figures import Section
from tests.harness.full_deployment import IMAGE, MASTER_KEY, MIGRATIONS, NETWORK, SIGNALS, Servers
from tests.harness.run_check import CheckRun, run_check
from tests.harness.web_checks import WEB_CHECKS, run_web_check
from tests.servers.e2b import e2b
from tests.servers.engine import filtered_engine
from tests.servers.smtp import smtp_script
from tests.testbed import (
    Authority,
    Engine,
    ObjectStore,
    PgBouncer,
    Postgres,
    Smtp,
    Valkey,
    object_store,
    pgbouncer_server,
    postgres_server,
    valkey_server,
)
from tests.testbed.object_store import BUCKET, IMAGES_BUCKET, MINIMAL
from tests.testbed.postgres import SUPERUSER, SUPERUSER_PASSWORD
from tests.testbed.smtp import ADDRESS, PASSWORD, USER
from tests.testbed.web import web_server

FOUND, TAKEN = "finding without it", "rights taken away, each alone"


def taken(figures: Section, right: str, outcome: str) -> None:
    """Record the outcome of a check without this right."""
    figures.cell(right, FOUND, outcome)
    figures.add(TAKEN, int(figures.figures.get(TAKEN, 0)) + 1)


def only_finding(result: CheckRun, status: Status = Status.FAIL) -> str:
    """The id of the only finding with this status, which must be the status of the check; it has a hint."""
    (finding,) = (each for each in result.findings if each.status is status)
    assert result.status is status, result
    assert finding.hint
    assert finding.message
    assert finding.fields
    return finding.id


# Postgres

BEFORE, AFTER, FOREIGN = security_md.blocks("Postgres")
PASSWORDS = dict(re.findall(r"CREATE ROLE (\w+) LOGIN PASSWORD '([^']+)'", BEFORE))
PLANES = ("control_plane", "data_plane")


@dataclass(frozen=True)
class Grant:
    """One privilege on one thing, for one role."""

    privilege: str
    kind: str
    name: str
    role: str

    def revoke(self) -> str:
        return f"REVOKE {self.privilege} ON {self.kind} {self.name} FROM {self.role}"

    def grant(self) -> str:
        return f"GRANT {self.privilege} ON {self.kind} {self.name} TO {self.role}"


def grants(block: str) -> list[Grant]:
    """Every privilege that a block grants, one by one."""
    statements = re.findall(r"^GRANT ([A-Z, ]+) ON ((?:[A-Z]+ )+)([\w, ]+)\s+TO ([\w, ]+);", block, re.MULTILINE)
    return [
        Grant(privilege, kind.strip(), name, role)
        for privileges, kind, names, roles in statements
        for privilege in privileges.split(", ")
        for name in names.split(", ")
        for role in roles.split(", ")
    ]


def login(server: Postgres | PgBouncer, role: str) -> str:
    return server.url(role, PASSWORDS[role])


def check_postgres(server: Postgres | PgBouncer, role: str, stage: str = "live") -> CheckRun:
    """Run the check whose URL has this role."""
    plane, _, route = role.rpartition("_")
    name = f"postgres.{plane}.{route}"
    return run_check(name, {f"{name}_url": login(server, role), f"{configs.MASTER_KEYS}.1": MASTER_KEY}, stage=stage)


def migrate(server: Postgres, role: str, password: str, plane: str) -> None:
    """Make what the migrations of a plane make, as this role; with a sequence, as a serial column has one."""
    made = [statement for statement in MIGRATIONS.read_text().split(";") if plane in statement]
    made += [f"CREATE SEQUENCE {plane}{part}.numbers" for part in ("", "_meta", "_openworkflow")]
    with psycopg.connect(server.url(role, password), autocommit=True) as connection:
        for statement in made:
            connection.execute(statement.encode())


@contextmanager
def with_roles() -> Iterator[Postgres]:
    with postgres_server() as server:
        server.sql(BEFORE, database="mistle")
        yield server


@pytest.fixture
def fresh() -> Iterator[Postgres]:
    with with_roles() as server:
        yield server


@pytest.fixture(scope="module")
def migrated() -> Iterator[Postgres]:
    """Migrated by the direct roles. Each test leaves its grants as they are in SECURITY.md."""
    with with_roles() as server:
        for plane in PLANES:
            migrate(server, f"{plane}_direct", PASSWORDS[f"{plane}_direct"], plane)
        server.sql(AFTER, database="mistle")
        yield server


@pytest.fixture
def restored() -> Iterator[Postgres]:
    """Restored by another role."""
    with with_roles() as server:
        for plane in PLANES:
            migrate(server, SUPERUSER, SUPERUSER_PASSWORD, plane)
        server.sql(AFTER + FOREIGN, database="mistle")
        yield server


WITHOUT_PRIVILEGE = {"CONNECT": "postgres.may-not-connect", "CREATE": "postgres.may-not-create"}
"""The finding without other privileges is `postgres.may-not-use-schema`."""


@pytest.mark.parametrize(
    ("fixture", "block", "stage"),
    [("fresh", BEFORE, "before-deploy"), ("migrated", AFTER, "live"), ("restored", FOREIGN, "live")],
    ids=["before the first migration", "after it", "made by another role"],
)
def test_postgres(fixture: str, block: str, stage: str, request: pytest.FixtureRequest, figures: Section) -> None:
    server: Postgres = request.getfixturevalue(fixture)
    tried = grants(block)
    assert len(tried) == len(set(tried)) > 5
    for role in PASSWORDS:
        assert passes(check_postgres(server, role, stage), block)
    for grant in tried:
        server.sql(grant.revoke(), database="mistle")
        result = check_postgres(server, grant.role, stage)
        id_ = only_finding(result)
        assert grant.privilege == "CONNECT" or f"role {grant.role} " in result[id_].message
        assert id_ == WITHOUT_PRIVILEGE.get(grant.privilege, "postgres.may-not-use-schema"), grant
        taken(figures, f"Postgres: `{grant.privilege} ON {grant.kind}`", f"`{id_}`")
        server.sql(grant.grant(), database="mistle")
    for role in PASSWORDS:
        assert passes(check_postgres(server, role, stage), block)


def passes(result: CheckRun, block: str) -> bool:
    """Whether nothing is missing; of what another role made, the role is not the owner."""
    warned = [finding.id for finding in result.findings if finding.status is Status.WARN]
    return result.status < Status.FAIL and set(warned) <= ({"postgres.not-owner"} if block is FOREIGN else set())


def test_postgres_through_a_pooler(migrated: Postgres) -> None:
    with pgbouncer_server(migrated.address) as pooler:
        for plane in PLANES:
            result = check_postgres(pooler, f"{plane}_pooled")
            assert result.status is Status.OK, result
            assert result.facts["pooled"]


def test_postgres_with_later_migrations(migrated: Postgres) -> None:
    """Without the default privileges, the role may not use a table or sequence that a later migration makes."""
    promised = re.findall(
        r"^ALTER DEFAULT PRIVILEGES FOR ROLE (\w+) IN SCHEMA (\w+)\s+GRANT .* ON (\w+) TO (\w+);", AFTER, re.M
    )
    statements = [statement for statement in AFTER.split(";") if "DEFAULT PRIVILEGES" in statement]
    assert len(promised) == len(statements) == 4
    for statement, (owner, schema, kind, role) in zip(statements, promised, strict=True):
        what = {"TABLES": "TABLE {} (id bigint)", "SEQUENCES": "SEQUENCE {}"}[kind]
        with psycopg.connect(login(migrated, owner), autocommit=True) as connection:
            connection.execute(f"CREATE {what.format(f'{schema}.later')}".encode())
            assert check_postgres(migrated, role).status is Status.OK
            migrated.sql(statement.replace("GRANT", "REVOKE").replace(" TO ", " FROM "), database="mistle")
            connection.execute(f"CREATE {what.format(f'{schema}.last')}".encode())
            result = check_postgres(migrated, role)
            assert only_finding(result) == "postgres.may-not-use-schema"
            assert f"in schema {schema}: last" in result["postgres.may-not-use-schema"].message
            connection.execute(f"DROP {kind.removesuffix('S')} {schema}.last, {schema}.later".encode())
        migrated.sql(statement, database="mistle")


# Valkey

USER_LINE, MORE_LINE = (tuple(shlex.split(block)) for block in security_md.blocks("Valkey"))
VALKEY_PASSWORD = next(word[1:] for word in USER_LINE if word.startswith(">"))
COMMANDS = [word for word in USER_LINE if word.startswith("+")]
NEEDED_BY_ALL = "valkey.not-permitted"


def check_valkey(server: Valkey, database: int = 0, **options: bool) -> CheckRun:
    values = {"url": server.url(VALKEY_PASSWORD, "mistle", database), "key_prefix": "mistle"}
    return run_check("kv.data_plane", {f"kv.data_plane.{key}": value for key, value in values.items()}, **options)


@pytest.fixture(scope="module")
def admitted() -> Iterator[Valkey]:
    with valkey_server() as server, server.client() as admin:
        admin.execute_command(*USER_LINE)
        yield server


@pytest.fixture
def acl(admitted: Valkey) -> Iterator[Callable[..., set[str]]]:
    """Changes the user, and returns what it was refused since the last change. At the end it is as in SECURITY.md."""
    with admitted.client() as admin:

        def change(*rules: str) -> set[str]:
            refused = {entry["object"] for entry in admin.acl_log()}
            admin.acl_log_reset()
            admin.execute_command("ACL", "SETUSER", "mistle", *rules)
            return refused

        yield change
        change("reset", *USER_LINE[3:])
        change()


def test_valkey(admitted: Valkey, acl: Callable[..., set[str]]) -> None:
    result = check_valkey(admitted)
    assert result.status is Status.SKIP, result
    assert result["valkey.access"].status is Status.OK
    assert acl() == {"info", "pexpire"}
    acl(*MORE_LINE[3:])
    for options in ({}, {"read_only": True}, {"database": 1}):
        assert check_valkey(admitted, **options).status is Status.OK
    assert acl() == set(), "the server refused another command"


@profiles.covering
@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("word", COMMANDS)
def test_valkey_without_a_command(
    admitted: Valkey, acl: Callable[..., set[str]], word: str, read_only: bool, figures: Section
) -> None:
    acl(*MORE_LINE[3:])
    acl(f"-{word[1:]}")
    result = check_valkey(admitted, read_only=read_only)
    assert only_finding(result) == NEEDED_BY_ALL
    assert word[1:] in result[NEEDED_BY_ALL].message.lower()
    taken(figures, f"Valkey: `{word}`", f"`{NEEDED_BY_ALL}`")


@pytest.mark.parametrize("read_only", [False, True])
def test_valkey_without_the_keys(
    admitted: Valkey, acl: Callable[..., set[str]], read_only: bool, figures: Section
) -> None:
    acl(*MORE_LINE[3:])
    acl("resetkeys", "~other:*")
    result = check_valkey(admitted, read_only=read_only)
    assert only_finding(result) == NEEDED_BY_ALL
    assert "mistle:" in result[NEEDED_BY_ALL].message
    taken(figures, "Valkey: `~mistle:*`", f"`{NEEDED_BY_ALL}`")


@pytest.mark.parametrize(
    ("word", "options", "status", "outcome"),
    [
        ("+select", {"database": 1}, Status.FAIL, "select"),
        ("+info", {}, Status.SKIP, "not judged: this user may not run INFO"),
        ("+acl|dryrun", {"read_only": True}, Status.SKIP, "writing is not proven"),
        ("+pexpire", {}, Status.OK, "keeps every key"),
    ],
)
def test_valkey_without_an_optional_command(
    admitted: Valkey,
    acl: Callable[..., set[str]],
    word: str,
    options: Mapping[str, Any],
    status: Status,
    outcome: str,
    figures: Section,
) -> None:
    assert word in MORE_LINE
    acl(*MORE_LINE[3:])
    acl(f"-{word[1:]}")
    result = check_valkey(admitted, **options)
    assert result.status is status, result
    assert [each for each in result.findings if outcome in each.message]
    assert acl() == {word[1:]}
    taken(figures, f"Valkey: `{word}`".replace("|", "\\|"), f"`{NEEDED_BY_ALL}`" if status is Status.FAIL else outcome)


# Object stores

(POLICY,) = (json.loads(block.replace(IMAGES_BUCKET, BUCKET)) for block in security_md.blocks("Object stores"))
ACTIONS = POLICY["Statement"][0]["Action"]


def check_store(server: ObjectStore, **options: bool) -> CheckRun:
    values = {"endpoint": server.url, "bucket_name": BUCKET, "region": server.region, "force_path_style": True}
    values |= {"access_key_id": MINIMAL.access_key_id, "secret_access_key": MINIMAL.secret_access_key}
    return run_check(
        "object_store.assets", {f"object_store.assets.{key}": value for key, value in values.items()}, **options
    )


def allow(server: ObjectStore, *actions: str, denied: str = "") -> None:
    """
    The policy with these actions, and without the one that is `denied`.

    This store has policies of buckets only, which name their users. The user that wrote an object may read it; only a
    denial takes this right away.
    """
    (statement,) = POLICY["Statement"]
    user = {"Principal": {"AWS": [f"arn:aws:iam:::user/{MINIMAL.access_key_id}"]}}
    statements = [statement | user | {"Action": actions or statement["Action"]}]
    statements += [statement | user | {"Effect": "Deny", "Action": [denied]}] if denied else []
    server.client().put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(POLICY | {"Statement": statements}))


@pytest.fixture(scope="module")
def own_store() -> Iterator[ObjectStore]:
    with object_store() as server:
        yield server


def test_object_store(own_store: ObjectStore) -> None:
    allow(own_store)
    assert check_store(own_store).status is Status.OK
    assert own_store.objects() == []
    allow(own_store, "s3:GetObject")
    assert check_store(own_store, read_only=True).status is Status.SKIP


@pytest.mark.parametrize("action", ACTIONS)
def test_object_store_without_an_action(own_store: ObjectStore, action: str, figures: Section) -> None:
    allow(own_store, denied=action)
    result = check_store(own_store)
    (denied,) = (each for each in result.findings if each.status is Status.FAIL)
    assert denied.id == "object-store.access-denied"
    assert denied.message.startswith(f"{action.removeprefix('s3:')} was answered with 403 AccessDenied")
    assert bool(own_store.objects()) == (action == "s3:DeleteObject"), "the finding names what could not be removed"
    assert ("object-store.leftover" in str(result)) == (action == "s3:DeleteObject")
    taken(figures, f"object store: `{action}`", f"`{denied.id}`")


def test_object_store_with_versions() -> None:
    with object_store() as server:
        client = server.client()
        client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        allow(server, *ACTIONS, "s3:DeleteObjectVersion")
        assert check_store(server).status is Status.OK
        assert not {"Versions", "DeleteMarkers"} & client.list_object_versions(Bucket=BUCKET).keys()
        allow(server)
        result = check_store(server)
        left = result.passes("object-store.leftover", Layer.ACCESS, "object_store.assets.bucket_name")
    assert "this user may not delete them" in left.message


# Docker

CALLS = security_md.blocks("Docker")[0].split("\n")[:-1]
DOCKER = {
    "GET /version": "docker.call-refused",
    "GET /networks/{name}": "docker.call-refused",
    "POST /images/create": "docker.call-refused",
    "POST /containers/create": "docker.call-refused",
    "POST /containers/{id}/start": "docker.call-refused",
    "POST /containers/{id}/stop": "docker.call-refused",
    "POST /containers/{id}/wait": "docker.call-refused",
    "GET /containers/{id}/json": "docker.call-refused",
    "GET /containers/{id}/logs": "docker.call-refused",
    "DELETE /containers/{id}": "docker.call-refused",
    "POST /commit": "docker.call-refused",
    "POST /volumes/create": "docker.call-refused",
    "DELETE /volumes/{name}": "docker.call-refused",
    "GET /distribution/{image}/json": "docker.call-refused",
    "GET /images/{image}/json": "docker.helper-image-missing",
    "GET /info": "docker.call-refused",
}


@pytest.fixture(scope="module")
def prepared(servers: Servers) -> Iterator[Engine]:
    """The engine, with the network."""
    with closing(servers.engine.client()) as client:
        network = client.networks.create(NETWORK, internal=True, options={"com.docker.network.bridge.name": "rights"})
        yield servers.engine
        network.remove()


def check_docker(servers: Servers, allowed: Collection[str], network: str = NETWORK, **options: bool) -> CheckRun:
    with filtered_engine(servers.engine.socket, allowed) as socket:
        values = {
            "sandbox.provider": "docker",
            "sandbox.docker.socket_path": str(socket),
            "sandbox.docker.network_name": network,
            "sandbox.default_base_image": f"{servers.registry.address}/{IMAGE}",
            "sandbox.storage.docker_volume.name_prefix": "mistle-",
        }
        return run_check("sandbox.docker", values, **options)


def test_docker(prepared: Engine, servers: Servers) -> None:
    assert check_docker(servers, CALLS).status is Status.OK
    reading = [call for call in CALLS if call.startswith("GET ")]
    assert check_docker(servers, reading, read_only=True).status is Status.SKIP
    assert only_finding(check_docker(servers, [*CALLS, "GET /networks"], "absent")) == "docker.network-missing"
    assert only_finding(check_docker(servers, CALLS, "absent")) == "docker.call-refused"


@pytest.mark.parametrize("call", CALLS)
def test_docker_without_a_call(call: str, prepared: Engine, servers: Servers, figures: Section) -> None:
    result = check_docker(servers, [each for each in CALLS if each != call])
    id_ = only_finding(result, result.status)
    assert id_ == DOCKER[call]
    assert result.status is (Status.WARN if id_ == "docker.helper-image-missing" else Status.FAIL)
    taken(figures, f"Docker: `{call}`", f"`{id_}`")
    if call.startswith("DELETE /volumes"):
        (left,) = prepared.contents()["volumes"]
        assert left in result[id_].hint, "the finding names what could not be removed"
        with closing(prepared.client()) as client:
            client.volumes.get(left).remove()


# SMTP

SMTP_COMMANDS = security_md.blocks("SMTP")[0].split()
OFFER = "250-mail.test\n250-STARTTLS\n250 AUTH PLAIN"


def check_smtp(port: int, roots: Path, **changes: object) -> CheckRun:
    values = {"host": "localhost", "port": port, "secure": False, "username": USER, "password": PASSWORD}
    values |= {"from_address": ADDRESS, **changes}
    return run_check("email.smtp", {f"email.smtp.{key}": value for key, value in values.items()}, extra=roots)


def test_smtp(authority: Authority, roots: Path) -> None:
    with smtp_script({"EHLO": OFFER}, leaf=authority.leaf()) as server:
        assert check_smtp(server.port, roots).status is Status.OK
    assert [line.split()[0] for line in server.received] == SMTP_COMMANDS


@pytest.mark.parametrize(
    ("right", "changes", "id_"),
    [
        ("the login", {"password": "wrong"}, "smtp.credentials-rejected"),
        ("to send as that address", {"from_address": "other@mistle.test"}, "smtp.sender-refused"),
    ],
)
def test_smtp_without_a_right(
    right: str, changes: Mapping[str, object], id_: str, smtp: Smtp, roots: Path, figures: Section
) -> None:
    port = smtp.ports["own_senders"]
    assert check_smtp(port, roots).status is Status.WARN, "it has no TLS"
    result = check_smtp(port, roots, **changes)
    assert [each.id for each in result.findings if each.status is Status.FAIL] == [id_]
    taken(figures, f"SMTP: {right}", f"`{id_}`")


# HTTP

LINES = list(re.finditer(r"^(.*): (\w+) (\S+)( \?)?$", security_md.blocks("HTTP")[0], re.MULTILINE))
WITHOUT_PATH = {
    "GET /__healthz": "proxy.refused",
    "GET /openapi.json": "http.document-blocked",
    "GET /v1/auth/ok": "http.sign-in-unreachable",
    "GET /internal/sandbox-runtime/preflight": "http.internal-blocked",
    "GET /internal/sandbox/instances": "http.internal-blocked",
    "GET /internal/sandbox/instances/mistle-preflight-{random}": "http.internal-blocked",
    "POST /internal/integration-credentials/resolve": "http.internal-blocked",
    "POST /internal/sandbox-runtime/get-sandbox-instance": "http.internal-blocked",
    "GET /internal/sandbox-instances/mistle-preflight/runtime-state": "http.internal-blocked",
    "GET /": "proxy.refused",
    "GET /mistle-preflight-{random}": "http.not-the-dashboard",
    "GET /tunnel/sandbox/mistle-preflight-{random}": "proxy.refused",
    "POST /tunnel/sandbox/mistle-preflight-{random}/token-exchange": "proxy.refused",
    **{f"POST /v1/{signal}": "otlp.refused" for signal in SIGNALS},
    "GET /templates/aliases/{alias}": "proxy.refused",
    "GET /api/disks": "proxy.refused",
    "POST /token": "proxy.refused",
}
ALIAS = "mistle-sandbox-base-088926277eab48e115019830"


def permitting(app: ASGIApp, allowed: Collection[tuple[str, str]]) -> ASGIApp:
    """A proxy that allows only these requests."""
    patterns = [(method, re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path))) for method, path in allowed]

    def refusal(request: HTTPConnection) -> Response | None:
        requested = request.scope.get("method", "GET"), request.url.path
        if any(requested[0] == method and re.fullmatch(path, requested[1]) for method, path in patterns):
            return None
        return PlainTextResponse("forbidden by policy", 403)

    async def proxied(scope: Scope, receive: Receive, send: Send) -> None:
        refused = None if scope["type"] == "lifespan" else refusal(HTTPConnection(scope))
        if refused and scope["type"] == "websocket":
            await WebSocket(scope, receive, send).send_denial_response(refused)
        else:
            await (refused or app)(scope, receive, send)

    return proxied


def checked_at(
    name: str, paths: Collection[tuple[str, str]], authority: Authority, roots: Path
) -> tuple[CheckRun, set[str]]:
    """The result of a check that may request only these paths, and the paths that it requested."""
    with web_server(permitting(WEB_CHECKS[name].app(), paths), authority.leaf()) as web:
        result = run_web_check(name, "https", web.port, extra=roots)
    return result, {f"{each.method} {each.target.partition('?')[0]}" for each in web.requests}


def paths_of(name: str) -> list[tuple[str, str]]:
    return [(line[2], line[3]) for line in LINES if line[1] == name]


@pytest.mark.parametrize("name", WEB_CHECKS)
def test_http(name: str, authority: Authority, roots: Path) -> None:
    result, requested = checked_at(name, paths_of(name), authority, roots)
    assert result.status is Status.OK, result
    assert len(requested) == len(paths_of(name)), requested


@pytest.mark.parametrize("line", LINES, ids=lambda line: line[0])
def test_http_without_a_path(line: re.Match[str], authority: Authority, roots: Path, figures: Section) -> None:
    name, method, path, dispensable = line.groups()
    result, _ = checked_at(name, [each for each in paths_of(name) if each != (method, path)], authority, roots)
    if dispensable:
        assert result.status <= Status.SKIP, result
        return
    id_ = only_finding(result, result.status)
    assert id_ == WITHOUT_PATH[f"{method} {path}"]
    assert "403" in result[id_].message or name == "E2B"
    taken(figures, f"{name}: `{method} {path}`", f"`{id_}`")


def test_e2b_check_sends_one_more_request_about_a_refused_template(authority: Authority, roots: Path) -> None:
    with web_server(e2b(foreign=[ALIAS]), authority.leaf()) as web:
        assert run_web_check("E2B", "https", web.port, extra=roots).status is Status.OK
    (first,) = paths_of("E2B")
    assert [each.target.partition("?")[0] for each in web.requests] == [first[1].format(alias=ALIAS), "/v2/sandboxes"]
