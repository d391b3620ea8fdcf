"""The Postgres check up to the access layer, on real servers and PgBouncers."""

import asyncio
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import psycopg
import pytest

from checks.core.finding import Layer, Status
from checks.postgres.connections import Streams
from checks.postgres.libpq_proxy import libpq_proxy
from tests.harness import answers, faults, floods, hostile_replies, postgres_check, profiles, text_servers
from tests.harness.descriptor import Descriptor, DriverError, Family, RunAt, Target, each_scene
from tests.harness.fault_rows import TERMINAL, Protocol, Row, Verdict, answer
from tests.harness.postgres_check import CONTROL, DIRECT_KEY, POOLED_KEY, direct
from tests.harness.recording_proxy import LOOPBACK, recording_proxies
from tests.harness.run_check import CheckRun, planned
from tests.testbed import Authority, PgBouncer, Postgres, pgbouncer_server, postgres_server, postgres_starting_up
from tests.testbed.pgbouncer import NOWHERE
from tests.testbed.postgres import PASSWORD

DIRECT, POOLED = f"{CONTROL}.direct", f"{CONTROL}.pooled"
pooled = partial(postgres_check.pooled, stage="live")


@pytest.fixture(scope="module")
def tls_only(authority: Authority) -> Iterator[Postgres]:
    with postgres_server(hba="hostssl all all all scram-sha-256", certificate=authority.leaf()) as server:
        yield server


def test_proxy_accepts_only_libpq(postgres: Postgres) -> None:
    """Another process connects first, and is not connected to the server."""
    connected: list[Streams] = []

    async def connect() -> Streams:
        connected.append(await asyncio.open_connection(LOOPBACK, postgres.port))
        return connected[-1]

    async def ask() -> tuple[bytes, bytes]:
        async with libpq_proxy(connect) as proxy:
            with socket.create_connection(proxy.address) as stranger, socket.create_connection(proxy.address) as libpq:
                proxy.libpq_address = libpq.getsockname()
                libpq.sendall(struct.pack("!II", 21, 196608) + b"user\0mistle\0\0")
                stranger.settimeout(20)
                libpq.settimeout(20)
                return await asyncio.to_thread(stranger.recv, 1), await asyncio.to_thread(libpq.recv, 1)

    assert asyncio.run(ask()) == (b"", b"R")
    assert len(connected) == 1


@profiles.quick
def test_direct_url_passes_every_layer(postgres: Postgres) -> None:
    run = direct(postgres.url())
    assert run.status is Status.OK, run
    for layer in ("dns", "connect", "auth", "access", "fitness"):
        assert run[f"postgres.{layer}"].fields == (DIRECT_KEY,)
    assert run.facts["pooled"] is False


@profiles.quick
def test_pooled_url_passes_through_pgbouncer(pgbouncer: PgBouncer) -> None:
    run = pooled(pgbouncer.url())
    assert run.status is Status.OK, run
    assert run.facts["pooled"] is True


def test_check_leaves_no_session_and_no_relation(postgres: Postgres) -> None:
    role = postgres.role()
    database = postgres.database(owner=role)
    relations = postgres.sql("SELECT count(*) FROM pg_class", database=database)
    assert direct(postgres.url(role, database=database)).status is Status.OK
    sessions = "SELECT count(*) FROM pg_stat_activity WHERE usename = %s"
    assert any(postgres.sql(sessions, role) == [(0,)] for _ in range(100))
    assert postgres.sql("SELECT count(*) FROM pg_class", database=database) == relations


def test_wrong_password(postgres: Postgres) -> None:
    run = direct(postgres.url(password="wrong"))
    run.fails("postgres.password-rejected", Layer.AUTH, DIRECT_KEY, hint=f"{DIRECT_KEY} (mistle.toml)")
    assert run["postgres.access"].message == "not reached"


def test_pgbouncer_wrong_password(pgbouncer: PgBouncer) -> None:
    run = pooled(pgbouncer.url(password="wrong"))
    run.fails("postgres.password-rejected", Layer.AUTH, POOLED_KEY, hint="user name and password")


def test_pgbouncer_unknown_user(pgbouncer: PgBouncer) -> None:
    run = pooled(pgbouncer.url("nobody"))
    run.fails("postgres.role-missing", Layer.AUTH, POOLED_KEY, hint="user name")


def test_unknown_role() -> None:
    with postgres_server(hba="host all all all trust") as server:
        run = direct(server.url("nobody"))
    run.fails("postgres.role-missing", Layer.AUTH, DIRECT_KEY, hint="CREATE ROLE")


def test_role_without_login(postgres: Postgres) -> None:
    role = postgres.role()
    postgres.sql(f"ALTER ROLE {role} NOLOGIN")
    direct(postgres.url(role)).fails("postgres.role-missing", Layer.AUTH, DIRECT_KEY, hint="LOGIN")


def test_no_hba_entry() -> None:
    with postgres_server(hba="host all somebody all scram-sha-256") as server:
        run = direct(server.url())
    run.fails("postgres.no-hba-entry", Layer.AUTH, DIRECT_KEY, hint="pg_hba.conf")


def test_tls_required(tls_only: Postgres) -> None:
    direct(tls_only.url()).fails("postgres.tls-required", Layer.AUTH, DIRECT_KEY, hint="sslmode=verify-full")


def test_no_hba_entry_with_tls_either(authority: Authority) -> None:
    with postgres_server(hba="hostssl all somebody all scram-sha-256", certificate=authority.leaf()) as server:
        run = direct(server.url())
    run.fails("postgres.no-hba-entry", Layer.AUTH, DIRECT_KEY, hint="pg_hba.conf")


def test_pgbouncer_requires_tls(postgres: Postgres, authority: Authority) -> None:
    with pgbouncer_server(postgres.address, certificate=authority.leaf()) as server:
        run = pooled(server.url())
    run.fails("postgres.tls-required", Layer.AUTH, POOLED_KEY, hint="sslmode=verify-full")


def test_tls_refused(postgres: Postgres) -> None:
    run = pooled(postgres.url(sslmode="require"))
    run.fails("postgres.tls-refused", Layer.AUTH, POOLED_KEY, hint="remove sslmode")
    assert run["postgres.tls"].message == "not proven"


@pytest.mark.parametrize("parameter", ["schema", "pgbouncer", "sslrootcert", "uselibpqcompat", "connection_limit"])
def test_unknown_parameter(postgres: Postgres, parameter: str) -> None:
    finding = direct(postgres.url(**{parameter: "x"})).fails(  # type: ignore[arg-type]
        "postgres.unknown-parameter", Layer.AUTH, DIRECT_KEY, hint="remove the parameter"
    )
    assert f'"{parameter}"' in finding.message


@pytest.mark.parametrize("parameter", ["search_path", "statement_timeout"])
def test_pgbouncer_unsupported_startup_parameter(pgbouncer: PgBouncer, parameter: str) -> None:
    finding = direct(pgbouncer.url(**{parameter: "1000"})).fails(  # type: ignore[arg-type]
        "postgres.unknown-parameter", Layer.AUTH, DIRECT_KEY, hint="remove the parameter"
    )
    assert parameter in finding.message


@pytest.mark.parametrize(
    "query",
    [
        {"application_name": "mistle api"},
        {"search_path": "a, b"},
        {"statement_timeout": "5s"},
        {"options": "-c work_mem=8MB"},
        {"connect_timeout": "5", "max": "3", "prepare": "false", "keep_alive": "9"},
        {"sslmode": "disable"},
        {"sslmode": "prefer"},
    ],
)
def test_accepted_parameters(postgres: Postgres, query: dict[str, str]) -> None:
    run = direct(postgres.url(**query))  # type: ignore[arg-type]
    assert run.status is not Status.FAIL, run
    assert run["postgres.fitness"].status is Status.OK


def test_only_postgres_js_sends_unknown_parameters(postgres: Postgres, pgbouncer: PgBouncer) -> None:
    assert direct(postgres.url(schema="x")).status is Status.FAIL  # type: ignore[arg-type]
    assert pooled(pgbouncer.url(schema="x", search_path="x")).status is Status.OK  # type: ignore[arg-type]


def test_missing_database(postgres: Postgres) -> None:
    run = direct(postgres.url(database="nowhere"))
    run.fails("postgres.database-missing", Layer.AUTH, DIRECT_KEY, hint="CREATE DATABASE")


def test_pgbouncer_missing_database(pgbouncer: PgBouncer) -> None:
    run = pooled(pgbouncer.url(database="nowhere"))
    run.fails("postgres.database-missing", Layer.AUTH, POOLED_KEY, hint="name after the last /")


def test_connect_revoked(postgres: Postgres) -> None:
    database = postgres.database(owner="postgres")
    postgres.sql(f"REVOKE CONNECT ON DATABASE {database} FROM public")
    run = direct(postgres.url(database=database))
    run.fails("postgres.may-not-connect", Layer.AUTH, DIRECT_KEY, hint="GRANT CONNECT")


def test_role_connection_limit_reached(postgres: Postgres) -> None:
    role = postgres.role("CONNECTION LIMIT 0")
    run = direct(postgres.url(role))
    finding = run.fails("postgres.too-many-connections", Layer.AUTH, DIRECT_KEY, hint="limit")
    assert role in finding.message


def test_starting_up() -> None:
    with postgres_starting_up() as server:
        direct(server.url()).fails("postgres.starting-up", Layer.AUTH, DIRECT_KEY, hint="wait until")


@pytest.mark.parametrize("query", [{}, {"sslmode": "require"}])
def test_reply_of_another_protocol(query: dict[str, str]) -> None:
    with faults.http_port() as port:
        url = f"postgres://u:p@127.0.0.1:{port}/d" + "".join(f"?{key}={value}" for key, value in query.items())
        direct(url).fails("postgres.not-postgres", Layer.AUTH, DIRECT_KEY, hint="host and port")


def test_login_refused_for_another_reason(postgres: Postgres) -> None:
    database = postgres.database()
    postgres.sql(f"ALTER DATABASE {database} SET session_preload_libraries = 'nowhere'")
    finding = direct(postgres.url(database=database)).fails(
        "postgres.login-refused", Layer.AUTH, DIRECT_KEY, hint="read the server's log"
    )
    assert "nowhere" in finding.message


def test_ipv6_address_in_the_direct_url() -> None:
    run = direct("postgres://u:p@[::1]:5432/d")
    run.fails("postgres.ipv6-literal", Layer.DNS, DIRECT_KEY, hint="host name")


@pytest.mark.parametrize("users", profiles.first(1, [{"mistle": PASSWORD}, {}]))
def test_server_behind_the_pooler_is_down(users: dict[str, str]) -> None:
    with pgbouncer_server(NOWHERE, users=users) as server:
        run = pooled(server.url(), timeout=4.0)
    run.fails("postgres.pooler-backend-down", Layer.ACCESS, POOLED_KEY, hint="behind the pooler")


def test_server_behind_the_pooler_dies(postgres: Postgres) -> None:
    """The server's own address would belong to another container soon after its end."""
    with socket.create_server((postgres.gateway, 0)) as listener:
        host, port = listener.getsockname()
        with pgbouncer_server(f"{host}:{port}", server_login_retry=1) as pooler:
            with recording_proxies({"server": (LOOPBACK, postgres.port)}, lambda _: listener):
                assert pooled(pooler.url()).facts["pooled"] is True
            run = pooled(pooler.url(), timeout=4.0)
    run.fails("postgres.pooler-backend-down", Layer.ACCESS, POOLED_KEY, hint="behind the pooler")


def test_pool_is_exhausted(postgres: Postgres) -> None:
    with (
        pgbouncer_server(postgres.address, pool_mode="session", default_pool_size=1) as server,
        psycopg.connect(server.url()) as holder,
    ):
        holder.execute("SELECT 1")
        run = pooled(server.url(), timeout=4.0)
    run.fails("postgres.pool-exhausted", Layer.ACCESS, POOLED_KEY, hint="pool size")


def test_query_fails(postgres: Postgres) -> None:
    database = postgres.database()
    postgres.sql("REVOKE EXECUTE ON FUNCTION pg_backend_pid() FROM public", database=database)
    finding = direct(postgres.url(database=database)).fails(
        "postgres.query-failed", Layer.ACCESS, DIRECT_KEY, hint="read the log"
    )
    assert "permission denied for function pg_backend_pid" in finding.message


@pytest.mark.parametrize("rows", [0, 1, 1000])
def test_query_result_of_another_form(rows: int) -> None:
    with faults.serving(lambda connection: accept_and_reply(connection, rows)) as port:
        run = direct(f"postgres://u:p@127.0.0.1:{port}/d")
    run.fails("postgres.not-postgres", Layer.ACCESS, DIRECT_KEY, hint="host and port")


def login_too_costly(rounds: int, hint: str) -> str:
    """The message about a server that asks for so many rounds of hashing."""
    with faults.serving(floods.Flood(floods.scram(rounds))) as port:
        run = direct(f"postgres://u:p@127.0.0.1:{port}/d")
    return run.fails("postgres.login-too-costly", Layer.AUTH, DIRECT_KEY, hint=hint).message


def test_scram_iterations_above_the_limit() -> None:
    assert login_too_costly(1_000_001, "scram_iterations").endswith("1000001 rounds of hashing")
    assert login_too_costly(10**30, "4096").endswith("more than a billion rounds of hashing")


def test_scram_iterations_below_the_limit(postgres: Postgres) -> None:
    role = postgres.role()
    postgres.sql(f"SET scram_iterations = 50000; ALTER ROLE {role} PASSWORD '{PASSWORD}'")
    assert direct(postgres.url(role))["postgres.auth"].status is Status.OK


def test_data_before_the_tls_handshake_is_dropped(authority: Authority) -> None:
    context = authority.leaf().context()

    def inject(connection: socket.socket) -> None:
        if connection.recv(8):
            connection.sendall(b"S" + floods.ADMITTED)
            with context.wrap_socket(connection, server_side=True) as secured:
                secured.recv(4096)

    with faults.serving(inject) as port:
        run = direct(f"postgres://u:p@127.0.0.1:{port}/d?sslmode=require")
    assert not [finding for finding in run.findings if finding.id == "postgres.auth"], run


def test_kerberos_is_not_tried() -> None:
    kerberos = floods.at_login(lambda: iter([floods.message(b"R", b"\0\0\0\7")]))
    with faults.serving(floods.Flood(kerberos)) as port:
        run = direct(f"postgres://u:p@127.0.0.1:{port}/d")
    assert "GSS" in run.fails("postgres.login-method", Layer.AUTH, DIRECT_KEY, hint="Mistle has no Kerberos").message


def accept_and_reply(connection: socket.socket, rows: int) -> None:
    """Accept any login, and reply to any query with `rows` rows of another form."""
    ready = b"Z\0\0\0\5I"
    connection.recv(4096)
    connection.sendall(b"R\0\0\0\x08\0\0\0\0" + ready)
    connection.recv(65536)
    described = b"T\0\0\0\x1a\0\1a\0" + bytes(6) + b"\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0"
    connection.sendall(described + b"D\0\0\0\x0b\0\1\0\0\0\1x" * rows + b"C\0\0\0\x0dSELECT 1\0" + ready)
    connection.recv(4096)


def test_no_create_on_the_database(postgres: Postgres) -> None:
    finding = direct(postgres.url(postgres.role())).fails(
        "postgres.may-not-create", Layer.ACCESS, DIRECT_KEY, hint="GRANT CREATE ON DATABASE"
    )
    assert "database mistle" in finding.message


def test_the_password_is_in_no_text(postgres: Postgres) -> None:
    subject = planned(DIRECT, {DIRECT_KEY: postgres.url(password="hunter2")})
    assert "hunter2" not in f"{subject!r} {subject.target} {direct(postgres.url(password='hunter2'))}"


# For the attacks on all kinds

_PROTOCOL = Protocol(
    Layer.AUTH,
    reply=floods.message(b"R", b"\0\0\0\x0aSCRAM-SHA-256\0\0"),
    refusal=floods.message(b"E", f"SFATAL\0C28P01\0Mpassword authentication failed {TERMINAL}\0\0".encode()),
    agree=lambda connection: answer(connection, b"S"),
    plain=lambda connection: answer(connection, b"N"),
)
_BACKEND_DOWN = Verdict("postgres.pooler-backend-down", Layer.ACCESS)


def _row(url_of: str, sslmode: str) -> Row:
    key = f"postgres.control_plane.{url_of}_url"
    tls = sslmode != "disable"
    return Row(
        f"postgres, {url_of}, {sslmode}",
        _PROTOCOL,
        f"postgres.control_plane.{url_of}",
        {key: f"postgres://mistle:password@{{host}}:{{place}}/mistle?sslmode={sslmode}"},
        (key,),
        foreign=Verdict("postgres.not-postgres", Layer.AUTH),
        # The server refuses a password without asking for one.
        refused=Verdict("postgres.pooler-login-refused", Layer.ACCESS),
        tls=tls,
        verdicts={
            "plaintext where TLS is expected": Verdict("postgres.tls-refused", Layer.AUTH),
            **dict.fromkeys(("silence within TLS", "reply cut, then silence") if tls else (), _BACKEND_DOWN),
        },
    )


def _redirect(place: str) -> faults.Behaviour:
    host, port = place.split(":")
    parameters = (("host", host), ("port", port), ("hostaddr", host), ("application_name", place))
    sent = b"".join(floods.message(b"S", f"{name}\0{value}\0".encode()) for name, value in parameters)
    error = floods.message(b"E", f"SFATAL\0C57P01\0Mgo to {place}\0Hpostgres://{place}/d\0\0".encode())
    return floods.Flood(floods.at_query(lambda: iter([sent + error])))


_NOT_UTF8 = floods.message(b"E", b"SERROR\0C\xff\xfe\0M\xff no\0\0")
_MD5 = floods.message(b"R", b"\0\0\0\5salt")
_FAMILY = Family(
    checks="postgres.",
    scenes=dict.fromkeys(text_servers.POSTGRES),
    server=text_servers.postgres,
    secret_url="postgres://mistle:{secret}@{address}/mistle?sslmode=disable",
    hostile={
        "sends what none sends": floods.Flood(floods.at_query(lambda: iter([_NOT_UTF8 + floods.READY]))),
        "a little expands to a lot": floods.Flood(floods.POSTGRES["parameters without end"]),
        "sends without end": floods.Flood(floods.POSTGRES["rows without end"]),
    },
)


_SERVERS = (
    answers.postgres({"row": answers.server_state()}),
    answers.postgres(
        {"row": answers.server_state(locked=[["control_plane", 4]], unusable=[["control_plane", "thing"]])}
    ),
    floods.Flood(floods.scram(4096)),
    floods.Flood(floods.at_login(lambda: iter([_MD5]))),
    *each_scene("postgres", _FAMILY),
)


@contextmanager
def _with_tls(authority: Authority, _roots: Path) -> Iterator[tuple[int, RunAt]]:
    with postgres_server(certificate=authority.leaf()) as server:

        def run_at(port: int) -> CheckRun:
            url = replace(server, port=port).url(sslmode="require")
            return direct(url)

        yield server.port, run_at


DESCRIPTOR = Descriptor(
    rows=tuple(_row(url_of, sslmode) for url_of in ("direct", "pooled") for sslmode in ("disable", "verify-full")),
    targets={
        "postgres": Target(
            name=DIRECT,
            key=DIRECT_KEY,
            values=lambda address: {DIRECT_KEY: f"postgres://u:postgres-password@{address}/d"},
            is_http=False,
            servers=_SERVERS,
            floods=floods.POSTGRES,
            short_reply=floods.at_query(lambda: iter([floods.DESCRIBED, floods.ROW, floods.READY])),
            flood_findings=frozenset({"postgres.not-postgres", "postgres.login-refused", "postgres.login-too-costly"}),
            texts={
                "a refusal": hostile_replies.scripted(
                    lambda text: floods.at_login(lambda: iter([hostile_replies.postgres_error(text)]))
                ),
                "an error": hostile_replies.scripted(
                    lambda text: floods.at_query(lambda: iter([hostile_replies.postgres_error(text)]))
                ),
                "the database's name": hostile_replies.postgres_row(name=str, may_create=lambda _: False),
                "the role's name": hostile_replies.postgres_row(role=str, may_create=lambda _: False),
                "a table's name": hostile_replies.postgres_row(unusable=lambda text: [["control_plane_meta", text]]),
            },
            redirects={"parameters and words": _redirect},
            driver_error=DriverError(
                "checks.postgres.inspection.parser._limits",
                "checks.postgres.inspection.parser",
                answers.postgres({"row": answers.server_state()}),
                "postgres.unexpected-reply",
                Layer.ACCESS,
            ),
        ),
        "pooled": Target(
            name=POOLED,
            key=POOLED_KEY,
            values=lambda address: {POOLED_KEY: f"postgres://u:postgres-password@{address}/d"},
            is_http=False,
            servers=_SERVERS,
            floods={},
            texts={},
        ),
    },
    families={"postgres": _FAMILY},
    connections={"`postgres`": _with_tls},
)
