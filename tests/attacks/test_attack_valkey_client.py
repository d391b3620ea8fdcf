"""Valkey URLs and faults, met by Mistle's own client.

Each URL is read by node-redis and by this tool: host, port, user, password, database and TLS must agree. The tool alone
refuses what no client can use: a host or a number of a database with other characters, a port of 0. Then both work at
real servers, healthy and faulty: where one of them fails, so must the other. The tool alone fails a replica that takes
writes: the client works there, and loses its leases.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from checks.core.finding import Status
from checks.valkey import Valkey as Check
from preflight.config.urls import BadUrl, parse
from preflight.config.validation import url_syntax
from tests.harness import profiles, valkey_client
from tests.harness.figures import Section
from tests.harness.relays import delayed
from tests.harness.run_check import planned, run_check
from tests.kinds.test_valkey import MISTLE_NEEDS, with_acl
from tests.testbed import Authority, Valkey, valkey_server, versions

pytestmark = profiles.long
URL, PREFIX = "kv.data_plane.url", "kv.data_plane.key_prefix"

LOGINS = ("", "u:p@", ":p@", "p@", "u:@", ":@", "u%40x:p%2Fq%23%3A%25@", "u:a:b@", "u:p+q@", "%C3%A9:%C3%A9@")
HOSTS = ("h", "H.Example", "10.0.0.5", "[::1]", "[2001:DB8::1]", "a_b.c", "h.", "xn--bcher-kva.test")
PORTS = ("", ":", ":6380", ":06380", ":65535")
DATABASES = ("", "/", "/0", "/1", "/15", "/007")
QUERIES = ("", "?db=1", "?database=3&tls=true", "#1")
URLS = sorted(
    {f"{scheme}://{login}{HOSTS[0]}{port}/1" for scheme in ("redis", "rediss") for login in LOGINS for port in PORTS}
    | {f"redis://{LOGINS[n % len(LOGINS)]}{host}{port}" for n, host in enumerate(HOSTS) for port in PORTS}
    | {f"redis://u:p@h{database}{query}" for database in DATABASES for query in QUERIES}
)
REFUSED = ("redis://h/x", "redis://h/1/2", "redis://h:x", "redis://h:70000", "redis://h/1x", "http://h", "redis:///1")
"""By both, or by the tool alone."""


def read_here(url: str) -> dict[str, object]:
    check = planned("kv.data_plane", {URL: url, PREFIX: "mistle"})
    assert isinstance(check, Check)
    names = ("host", "port", "tls", "username", "password", "database")
    return {name: getattr(check, name) for name in names}


def is_refused(url: str) -> bool:
    try:
        parsed = parse(url)
    except BadUrl:
        return True
    return parsed.scheme not in {"redis", "rediss"} or not url_syntax._DATABASE_NUMBER.fullmatch(parsed.path)


@pytest.fixture(autouse=True)
def _client() -> None:
    if reason := valkey_client.unavailable():
        pytest.skip(reason)


def test_urls_are_read_as_the_client_reads_them(figures: Section) -> None:
    both = list(zip(URLS, valkey_client.read(URLS), strict=True))
    differences = [(url, dict(theirs), read_here(url)) for url, theirs in both if dict(theirs) != read_here(url)]
    assert not differences, "\n".join(map(str, differences))
    accepted = [url for url in URLS if is_refused(url)]
    assert not accepted
    assert all(map(is_refused, REFUSED))
    figures.add("URLs read by node-redis and by the tool", len(URLS))
    figures.add("differences", len(differences))


# At real servers


@dataclass(frozen=True)
class Case:
    """A server with these flags, and the URL with which both go there. ``during`` is open while they do."""

    flags: Mapping[str, object] = field(default_factory=dict)
    login: Mapping[str, Any] = field(default_factory=dict)
    prefix: str = "mistle"
    during: Callable[[Valkey], AbstractContextManager[object]] = nullcontext
    rewritten: Callable[[str], str] = str
    tool_alone: bool = False  # the tool fails, and the client works


def without_connections(server: Valkey) -> AbstractContextManager[object]:
    client = server.client()
    client.config_set("maxclients", 1)
    return client


@contextmanager
def with_slots(server: Valkey) -> Iterator[None]:
    with server.client() as client:
        client.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)
        while client.execute_command("CLUSTER INFO").get("cluster_state") != "ok":
            pass
    yield


LIMITED = {"password": "pw", "user": "mistle"}


def acl(commands: str = MISTLE_NEEDS, **more: Any) -> Case:
    return Case(with_acl(commands), LIMITED, **more)


def logged_in(text: str) -> Callable[[str], str]:
    return lambda url: url.replace("redis://", f"redis://{text}@")


SECRET = {"requirepass": "secret"}
CASES = {
    "healthy": Case(),
    "a password": Case(SECRET, {"password": "secret"}),
    "a wrong password": Case(SECRET, {"password": "wrong"}),
    "no password": Case(SECRET),
    "a password where none is set": Case({}, {"password": "pw"}),
    "the password without its colon": Case(SECRET, rewritten=logged_in("secret")),
    "the default user without a password": Case({}, rewritten=logged_in("default")),
    "the default user and its password": Case(SECRET, {"password": "secret", "user": "default"}),
    "an empty login": Case({}, rewritten=logged_in(":")),
    "an unknown user": Case({}, {"password": "pw", "user": "nobody"}),
    "database 1": Case({}, {"database": 1}),
    "database 99": Case({}, {"database": 99}),
    "database 99 as a query": Case(rewritten=lambda url: f"{url}?db=99"),
    "exactly Mistle's rights": acl(),
    "another database without SELECT": Case(with_acl(MISTLE_NEEDS), {**LIMITED, "database": 1}),
    "another prefix": acl(prefix="other"),
    **{f"no {name.upper()}": acl(f"{MISTLE_NEEDS} -{name}") for name in MISTLE_NEEDS.replace("+", "").split()},
    "no memory": Case({"maxmemory": "1kb"}),
    "eviction": Case({"maxmemory": "100mb", "maxmemory_policy": "allkeys-lru"}),
    "no replicas": Case({"min_replicas_to_write": 1}),
    "a renamed command": Case({"files": {"more.conf": b"rename-command ZCARD GONE"}, "include": "/files/more.conf"}),
    "a replica": Case({"replicaof": "127.0.0.1 1"}),
    "a replica that takes writes": Case({"replicaof": "127.0.0.1 1", "replica_read_only": "no"}, tool_alone=True),
    "cluster mode": Case({"cluster_enabled": "yes"}),
    "cluster mode with all slots": Case({"cluster_enabled": "yes"}, during=with_slots),
    "protected mode": Case({"protected_mode": "yes"}),
    "no connection left": Case(during=without_connections),
    "a script that does not end": Case({"busy_reply_threshold": 1}, during=Valkey.busy),
    "loading": Case({"enable_debug_command": "yes"}, during=Valkey.loading),
    "TLS where there is none": Case(rewritten=lambda url: url.replace("redis://", "rediss://")),
}
MAKES: dict[str, Callable[[], dict[str, Any]]] = {
    "Valkey 8": dict,
    **{name: partial(versions.valkey, name) for name in versions.VALKEYS},
}


@pytest.mark.parametrize("make", MAKES)
def test_faults_are_met_by_both(make: str, figures: Section) -> None:
    differences, failed = [], 0
    for name, case in CASES.items():
        with valkey_server(**MAKES[make](), **case.flags) as server, case.during(server):
            url = case.rewritten(server.url(**case.login))
            theirs, here = met_by_both(url, case.prefix)
        failed += bool(theirs)
        if (bool(theirs) or case.tool_alone) != (here is Status.FAIL):
            differences.append((name, theirs, here))
    assert not differences, "\n".join(map(str, differences))
    figures.add(f"servers at which both worked: {make}", len(CASES))
    figures.add(f"of these, both failed at: {make}", failed)


def met_by_both(url: str, prefix: str = "mistle", roots: Path | None = None) -> tuple[str, Status]:
    values: dict[str, object] = {URL: url, PREFIX: prefix}
    here = run_check("kv.data_plane", values, timeout=8.0, extra=roots)
    return valkey_client.failure(url, prefix, roots), here.status


CERTIFICATES = {
    "trusted": (("localhost", "127.0.0.1"), True, False),
    "of another host": (("elsewhere.test",), True, True),
    "of an unknown authority": (("localhost", "127.0.0.1"), False, True),
}


@pytest.mark.parametrize("name", CERTIFICATES)
def test_certificates_are_met_by_both(name: str, authority: Authority, tmp_path: Path) -> None:
    names, is_known, fails = CERTIFICATES[name]
    roots = tmp_path / "roots.pem"
    roots.write_bytes(authority.pem)
    with valkey_server(authority.leaf(*names), requirepass="secret") as server:
        known = roots if is_known else None
        theirs, here = met_by_both(server.url("secret", scheme="rediss"), roots=known)
        assert (bool(theirs), here is Status.FAIL) == (fails, fails), (theirs, here)
        theirs, here = met_by_both(server.url("secret"), roots=known)
        assert theirs
        assert here is Status.FAIL


def test_late_replies_are_met_by_both(valkey: Valkey) -> None:
    with delayed(valkey.port, 0.8) as port:
        theirs, here = met_by_both(f"redis://127.0.0.1:{port}/{valkey.database}")
    assert (theirs, here) == ("", Status.OK)
