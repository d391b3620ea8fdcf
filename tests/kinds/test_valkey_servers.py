"""Valkey on slow links, and behind names that lead to several servers."""

from collections.abc import Callable
from pathlib import Path

import pytest

from checks.core.finding import Layer, Status
from tests.harness import profiles
from tests.harness.relays import delayed
from tests.harness.run_check import CheckRun, run_check
from tests.testbed import Authority, Valkey, valkey_server

URL, PREFIX = "kv.data_plane.url", "kv.data_plane.key_prefix"


def check(url: str, **options: object) -> CheckRun:
    return run_check("kv.data_plane", {URL: url, PREFIX: "mistle"}, **options)  # type: ignore[arg-type]


@profiles.long
def test_replies_that_come_late(valkey: Valkey) -> None:
    """0.8 s for each reply: Mistle's client waits longer."""
    with delayed(valkey.port, 0.8) as port:
        run = check(f"redis://127.0.0.1:{port}/1", timeout=10.0)
    assert run.status is Status.OK, run


@profiles.long
def test_replies_that_come_late_with_tls_and_a_login(authority: Authority, tmp_path: Path) -> None:
    roots = tmp_path / "roots.pem"
    roots.write_bytes(authority.pem)
    with (
        valkey_server(certificate=authority.leaf(), requirepass="secret") as server,
        delayed(server.port, 0.8) as port,
    ):
        run = check(f"rediss://:secret@127.0.0.1:{port}/1", timeout=10.0, extra=roots)
    assert run.status is Status.OK, run


AtName = Callable[..., CheckRun]


@pytest.fixture
def at_name(resolve_to: Callable[..., None]) -> AtName:
    """Runs the check of a URL whose host has the addresses of these servers, in this order."""

    def run_at(*servers: Valkey, run: Callable[[str], CheckRun] = check) -> CheckRun:
        resolve_to(*(server.address.partition(":")[0] for server in servers))
        return run("redis://kv.test")

    return run_at


def test_name_that_leads_to_two_servers(valkey: Valkey, at_name: AtName) -> None:
    with valkey_server() as other:
        finding = at_name(valkey, other).fails(
            "valkey.several-servers", Layer.FITNESS, URL, hint="lead to the one primary alone"
        )
    assert "one of its addresses, leads to a primary (run_id " in finding.message
    assert at_name(valkey).status is Status.OK


@profiles.long
def test_name_that_leads_to_a_primary_and_its_replica(valkey: Valkey, at_name: AtName) -> None:
    with valkey_server(replicaof=valkey.address.replace(":", " ")) as replica:
        run = at_name(valkey, replica)
    several = run["valkey.several-servers"]
    assert (several.layer, several.status, several.fields) == (Layer.FITNESS, Status.FAIL, (URL,))
    assert "a replica (run_id" in several.message


@profiles.long
def test_name_of_which_one_server_refuses_the_login(at_name: AtName) -> None:
    with valkey_server(requirepass="secret") as one, valkey_server(requirepass="another") as other:
        run = at_name(one, other, run=lambda _: check("redis://:secret@kv.test"))
    finding = run.warns("valkey.several-servers", Layer.FITNESS, URL, hint="the one primary alone")
    assert "does not: the server reports: " in finding.message


@profiles.long
def test_name_that_leads_to_two_servers_with_tls(authority: Authority, tmp_path: Path, at_name: AtName) -> None:
    """At each address, the certificate must be for the name: a server of another name gets no password."""
    roots = tmp_path / "roots.pem"
    roots.write_bytes(authority.pem)

    def run(_url: str) -> CheckRun:
        return check("rediss://:secret@kv.test", extra=roots)

    options = {"requirepass": "secret"}
    with (
        valkey_server(certificate=authority.leaf("kv.test"), **options) as one,
        valkey_server(certificate=authority.leaf("kv.test"), **options) as two,
        valkey_server(certificate=authority.leaf("other.test"), **options) as other,
    ):
        several, refused = at_name(one, two, run=run), at_name(one, other, run=run)
    several.fails("valkey.several-servers", Layer.FITNESS, URL, hint="the one primary alone")
    assert "valkey.several-servers" not in {finding.id for finding in refused.findings}
