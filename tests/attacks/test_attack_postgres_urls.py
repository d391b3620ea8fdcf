"""Postgres URLs, read by Mistle's own clients.

Each URL is read by node-postgres and postgres.js, in the versions that Mistle uses, and by this tool: host, port, user,
password, database, TLS (also the client's own certificate, and a handshake without a request before it) and what goes
to the server at the login must agree, and so must a refusal. The tool alone refuses what it says that it refuses: a URL
without a database.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from checks.postgres.dialects import NODE_POSTGRES, POSTGRES_JS, Dialect, Login
from preflight.config.urls import BadUrl, parse
from tests.harness import postgres_clients, profiles
from tests.harness.figures import Section

AUTHORITIES = (
    "u:p@h",
    "u:p@h:6000",
    "u@h:6000",
    "u%40x:p%2Fq%23%3A%25@db.example",
    "u:p+q@h",
    "u:@h",
    "u:a:b@h",
    "U:%C3%A9@H",
    "u:p@10.0.0.5",
)
SOCKETS = ("u:p@%2Fvar%2Frun%2Fpostgresql", "u:p@%2fvar%2frun:6000")
DATABASES = ("d", "d%20b", "a%2Fb", "D%C3%A9", "d/e")
QUERIES = (
    "",
    *(f"sslmode={mode}" for mode in ("disable", "allow", "prefer", "require", "verify-ca", "verify-full", "no-verify")),
    *(f"sslmode={mode}" for mode in ("", "required", "Require", "off", "true", "0")),
    *(f"ssl={value}" for value in ("", "true", "1", "0", "false", "no-verify", "require", "on", "verify-full")),
    *(f"ssl=true&sslmode={mode}" for mode in ("disable", "require", "no-verify")),
    *(f"uselibpqcompat=true&sslmode={mode}" for mode in ("disable", "prefer", "require", "verify-ca", "verify-full")),
    "host=other&port=7000&user=x&password=y",
    "host=/cloudsql/a:b:c",
    "port=abc",
    "port=7000",
    "user=&password=",
    "database=x&dbname=y&username=z&pass=w",
    *(f"target_session_attrs={word}" for word in ("any", "primary", "read-write", "prefer-standby", "bogus", "")),
    "application_name=a+b&fallback_application_name=c",
    "fallback_application_name=c",
    "options=-c%20a%3D1&statement_timeout=5s&lock_timeout=7",
    "search_path=a,b&client_encoding=latin1",
    "connect_timeout=5&max=3&prepare=false&idle_timeout=2&max_lifetime=9&keep_alive=4&backoff=1&max_pipeline=2",
    "schema=x&pgbouncer=true&connection_limit=5&channel_binding=require&gssencmode=disable",
    "replication=database&idle_in_transaction_session_timeout=9",
    "sslmode=require&sslmode=disable",
    "binary=true&keepalives=0&encoding=x&query_timeout=5",
    *(f"sslnegotiation=direct{more}" for more in ("", *(f"&sslmode={m}" for m in ("disable", "prefer", "require")))),
    *(f"sslnegotiation=direct&ssl={value}" for value in ("", "0", "true", "require")),
    "sslnegotiation=postgres&sslmode=verify-full",
    *(f"sslmode={mode}&sslcert=/dev/null&sslkey=/dev/null" for mode in ("", "disable", "no-verify", "verify-full")),
    "sslcert=/dev/null",
    "sslkey=/dev/null&ssl=false",
    *(f"uselibpqcompat=true&sslrootcert=/etc/hosts&sslmode={m}" for m in ("", "prefer", "require", "verify-ca")),
    "fetch_types=false&debug=true&publications=x&ssl=false",
)
URLS = sorted(
    {
        f"postgres://{authority}/{database}" + (f"?{query}" if query else "")
        for number, query in enumerate(QUERIES)
        for authority, database in (
            (AUTHORITIES[number % len(AUTHORITIES)], DATABASES[number % len(DATABASES)]),
            *((authority, "d") for authority in AUTHORITIES[:5]),
        )
    }
    | {f"postgres://{socket}/d?{query}" for socket in SOCKETS for query in ("", "port=7000", "sslmode=require")}
)


SEVERAL = ("u:p@h1,h2/d", "u:p@h1:6000,h2/d", "u:p@h1:6000,h2:7000/d?target_session_attrs=primary", "u:p@a,b:1,c/d")


def read_here(url: str, dialect: Dialect) -> Mapping[str, Any]:
    try:
        parsed = parse(url)
    except BadUrl as error:
        return {"error": error.reason}
    query = dict(parsed.pairs)
    if refusal := dialect.refusal(query):
        return {"error": refusal}
    if parsed.host.startswith("/") and not dialect.sockets:
        parsed = replace(parsed, host=re.sub("[?/].*", "", url.partition("@")[2]).partition(":")[0])  # a name to it
    tls = dialect.tls(query)
    login = dialect.login(Login(parsed.host, parsed.port, parsed.username, parsed.password), query)
    return {
        "host": login.host,
        "port": login.port,
        "user": login.username,
        "password": login.password or None,
        "database": dialect.database(parsed.path.removeprefix("/")),
        "tls": [tls.enabled, tls.verified, tls.falls_back],
        "handshake": {"anyName": tls.any_name, "own": any(tls.own), "direct": tls.direct},
        "sent": dialect.parameters(query),
    }


def comparable(read: Mapping[str, Any]) -> Mapping[str, Any]:
    """Without the text of an error, and with one form for an absent password."""
    if "error" in read:
        return {"error": True}
    read = {name: value for name, value in read.items() if name not in {"hosts", "ports"}}
    return {**read, "password": read["password"] or None, "sent": {k: str(v) for k, v in read["sent"].items()}}


@profiles.long
def test_urls_are_read_as_the_clients_read_them(figures: Section) -> None:
    if reason := postgres_clients.unavailable():
        pytest.skip(reason)
    assert len(URLS) > 300
    differences, refused = [], Counter[str]()
    for url, theirs in zip(URLS, postgres_clients.read(URLS), strict=True):
        for dialect, read in zip((NODE_POSTGRES, POSTGRES_JS), theirs, strict=True):
            here = comparable(read_here(url, dialect))
            refused[dialect.client] += "error" in here
            if here != comparable(read):
                differences.append((url, dialect.client, here, dict(read)))
    assert not differences, "\n".join(map(str, differences))
    figures.add("URLs read by both clients and by the tool", len(URLS))
    figures.add("differences", len(differences))
    for client, count in refused.items():
        figures.add(f"URLs that {client} and the tool refuse", count)


@profiles.long
def test_several_hosts_are_read_as_postgres_js_reads_them() -> None:
    if reason := postgres_clients.unavailable():
        pytest.skip(reason)
    urls = [f"postgres://{rest}" for rest in SEVERAL]
    for url, (_, read) in zip(urls, postgres_clients.read(urls), strict=True):
        parsed = parse(url)
        servers = [(parsed.host, parsed.port), *parsed.others]
        assert servers == list(zip(read["hosts"], read["ports"], strict=True)), url
