"""The healthy case and the main faults on Redis 7, Redis 8 and Valkey 9."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from checks.core.finding import Layer, Status
from checks.valkey import Valkey as Check
from tests.harness import profiles
from tests.harness.run_check import run_check
from tests.kinds.test_valkey import MISTLE_NEEDS, PREFIX, URL, check, with_acl
from tests.testbed import Authority, Valkey, valkey_server, versions
from tests.testbed.containers import running
from tests.testbed.valkey import ping

pytestmark = profiles.long
Options = dict[str, Any]


@pytest.fixture(params=list(versions.VALKEYS), scope="module")
def options(request: pytest.FixtureRequest) -> Options:
    return versions.valkey(request.param)


@pytest.fixture(params=list(versions.VALKEYS), scope="module")
def server(request: pytest.FixtureRequest) -> Iterator[Valkey]:
    with valkey_server(**versions.valkey(request.param), requirepass="secret", enable_debug_command="yes") as server:
        info = server.client("secret").info("server")
        assert str(info.get("valkey_version", info["redis_version"])).startswith(request.param.split()[1])
        assert request.param in str(Check.__doc__)
        yield server


@pytest.mark.parametrize("read_only", [False, True])
def test_healthy(server: Valkey, read_only: bool) -> None:
    run = check(server.url("secret", database=1), read_only=read_only)
    assert run.status is Status.OK, run
    assert server.client("secret", db=1).dbsize() == 0


LOGINS = {
    "a wrong password": ({"password": "wrong"}, "password-rejected"),
    "no password": ({}, "password-required"),
    "an unknown user": ({"password": "secret", "user": "nobody"}, "password-rejected"),
    "a database that is not there": ({"password": "secret", "database": 99}, "database-missing"),
}


@pytest.mark.parametrize("case", LOGINS)
def test_login(server: Valkey, case: str) -> None:
    login, cause = LOGINS[case]
    check(server.url(**login)).fails(f"valkey.{cause}", Layer.AUTH, URL, hint="")  # type: ignore[arg-type]


def test_disabled_user(server: Valkey) -> None:
    server.client("secret").execute_command("ACL", "SETUSER", "sleeper", "off", ">pw")
    run = check(server.url("pw", "sleeper"))  # ACL GETUSER needs a login here
    run.fails("valkey.password-rejected", Layer.AUTH, URL, hint="")


def test_password_where_none_is_set(options: Options) -> None:
    with valkey_server(**options) as server:
        check(server.url("pw")).fails("valkey.password-unexpected", Layer.AUTH, URL, hint="remove the password")
        with server.client() as client:
            client.execute_command("ACL", "SETUSER", "sleeper", "off", ">pw")
            check(server.url("pw", "sleeper")).fails("valkey.user-disabled", Layer.AUTH, URL, hint="ACL SETUSER")
            client.config_set("maxclients", 1)
            check(server.url()).fails("valkey.too-many-clients", Layer.AUTH, URL, hint="maxclients")


RIGHTS = {
    "all that Mistle needs": (MISTLE_NEEDS, "mistle", ""),
    "no EVAL": (f"{MISTLE_NEEDS} -eval", "mistle", "eval"),
    "no ZADD": (f"{MISTLE_NEEDS} -zadd", "mistle", "zadd"),
    "another prefix": (MISTLE_NEEDS, "other", "other:"),
}


@pytest.mark.parametrize("case", RIGHTS)
def test_rights(options: Options, case: str) -> None:
    commands, prefix, missing = RIGHTS[case]
    with valkey_server(**options, **with_acl(commands)) as server:  # type: ignore[arg-type]
        run = check(server.url("pw", "mistle"), prefix=prefix)
    if not missing:
        assert run.status is Status.SKIP, run
        return
    keys = (URL, PREFIX) if prefix == "other" else (URL,)
    finding = run.fails("valkey.not-permitted", Layer.ACCESS, *keys, hint="ACL SETUSER")
    assert missing in finding.message.lower()


FAULTS: dict[str, tuple[Options, str, Layer]] = {
    "no memory": ({"maxmemory": "1kb"}, "out-of-memory", Layer.ACCESS),
    "no replicas": ({"min_replicas_to_write": 1}, "write-refused", Layer.ACCESS),
    "cluster mode": ({"cluster_enabled": "yes"}, "cluster-mode", Layer.FITNESS),
    "protected mode": ({"protected_mode": "yes"}, "protected-mode", Layer.AUTH),
    "a renamed command": ({"rename_command": "ZCARD GONE"}, "command-failed", Layer.ACCESS),
}


@pytest.mark.parametrize("case", FAULTS)
def test_fault(options: Options, case: str) -> None:
    flags, cause, layer = FAULTS[case]
    files = {"server.conf": b"\n".join(f"{name.replace('_', '-')} {value}".encode() for name, value in flags.items())}
    with valkey_server(**options, files=files, include="/files/server.conf") as server:  # type: ignore[arg-type]
        run = check(server.url())
    run.fails(f"valkey.{cause}", layer, URL, hint="")


def test_eviction(options: Options) -> None:
    with valkey_server(**options, maxmemory="100mb", maxmemory_policy="allkeys-lru") as server:
        check(server.url()).warns("valkey.evicts-keys", Layer.FITNESS, URL, hint="noeviction")


def test_replica(options: Options) -> None:
    with valkey_server(**options) as primary:
        address = primary.address.replace(":", " ")
        with valkey_server(**options, replicaof=address) as server:
            check(server.url()).fails("valkey.replica", Layer.FITNESS, URL, hint="name the primary")


def test_a_script_that_does_not_end(options: Options) -> None:
    with valkey_server(**options, busy_reply_threshold=1) as server, server.busy():
        check(server.url()).fails("valkey.busy", Layer.ACCESS, URL, hint="SCRIPT KILL")


def test_loading(options: Options) -> None:
    with valkey_server(**options, enable_debug_command="yes") as server, server.loading():
        check(server.url()).fails("valkey.loading", Layer.ACCESS, URL, hint="wait")


START_SENTINEL = ["sh", "-c", "cp /files/sentinel.conf /tmp && exec redis-server /tmp/sentinel.conf --sentinel"]


@pytest.mark.parametrize("name", ["Redis 7", "Redis 8"])
def test_sentinel(name: str) -> None:
    """Redis names its mode otherwise than Valkey, whose Sentinel the suite runs."""
    files = {"sentinel.conf": b"port 6379\nprotected-mode no\ndir /tmp\n"}
    image = str(versions.valkey(name)["image"])
    with running(image, [], 6379, ping, files, entrypoint=START_SENTINEL) as fields:
        server = Valkey(*fields)
        check(server.url(database=0)).fails("valkey.sentinel", Layer.AUTH, URL, hint="SENTINEL MASTERS")
        check(server.url(database=1)).fails("valkey.sentinel", Layer.AUTH, URL, hint="SENTINEL MASTERS")


@pytest.mark.parametrize("name", ["Redis 7", "Redis 8"])
def test_tls(name: str, authority: Authority, tmp_path: Path) -> None:
    """The package's Valkey 9 is built without TLS."""
    roots = tmp_path / "roots.pem"
    roots.write_bytes(authority.pem)
    with valkey_server(authority.leaf(), **versions.valkey(name)) as server:
        assert check(server.url(scheme="rediss"), extra=roots).status is Status.OK
        check(server.url()).fails("valkey.tls-required", Layer.AUTH, URL, hint="use rediss://")
    with valkey_server(**versions.valkey(name)) as server:
        run = run_check("kv.data_plane", {URL: server.url(scheme="rediss"), PREFIX: "mistle"}, timeout=2.5)
        run.fails("network.plaintext-on-tls", Layer.TLS, URL, hint="without TLS")
