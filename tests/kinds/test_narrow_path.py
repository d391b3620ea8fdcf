"""A path that drops large packets: what does not arrive proves nothing; small messages show that a server is there."""

from dataclasses import replace
from pathlib import Path

import pytest

from checks.core.finding import Layer
from preflight.demo.servers.mistle import TOKEN, control_plane_api
from tests.harness import profiles
from tests.harness.relays import narrow_path
from tests.harness.run_check import run_check
from tests.testbed import Authority, Leaf, Postgres, Valkey, valkey_server, web_server

KV, PREFIX = "kv.data_plane.url", "kv.data_plane.key_prefix"
API = "services.control_plane_api"
BELOW_A_HANDSHAKE = 300
"""Bytes: less than the first message of a TLS handshake."""


@pytest.fixture(scope="module")
def leaf(authority: Authority) -> Leaf:
    return authority.leaf()


def test_https(leaf: Leaf, trusted: Path) -> None:
    with web_server(control_plane_api(), leaf) as web, narrow_path(web.port, BELOW_A_HANDSHAKE) as port:
        values = {f"{API}.internal_url": f"https://127.0.0.1:{port}", "internal_auth.shared_token.token": TOKEN}
        result = run_check(f"{API}.internal", values, extra=trusted, timeout=6.0)
    finding = result.fails("tls.stalled", Layer.TLS, f"{API}.internal_url", hint="drops large packets (MTU)")
    assert "a small message" in finding.message


@pytest.mark.parametrize("use", profiles.first(1, ["direct", "pooled"]))
def test_postgres(postgres: Postgres, use: str) -> None:
    key = f"postgres.control_plane.{use}_url"
    with narrow_path(postgres.port, 1000) as port:
        url = replace(postgres, port=port).url()
        result = run_check(f"postgres.control_plane.{use}", {key: url}, timeout=6.0)
    finding = result.fails("network.large-packets-lost", Layer.ACCESS, key, hint="MTU")
    assert finding.message.startswith("a small query gets a reply")


@profiles.long
def test_valkey_with_tls(leaf: Leaf, trusted: Path) -> None:
    with valkey_server(leaf) as server, narrow_path(server.port, BELOW_A_HANDSHAKE) as port:
        values = {KV: f"rediss://127.0.0.1:{port}", PREFIX: "mistle"}
        result = run_check("kv.data_plane", values, extra=trusted, timeout=6.0)
    result.fails("tls.stalled", Layer.TLS, KV, hint="drops large packets (MTU)")


@profiles.long
@pytest.mark.parametrize("largest", [100, 1000])
def test_valkey(valkey: Valkey, largest: int) -> None:
    with narrow_path(valkey.port, largest) as port:
        result = run_check("kv.data_plane", {KV: f"redis://127.0.0.1:{port}", PREFIX: "mistle"}, timeout=6.0)
    finding = result.fails("network.silent", Layer.AUTH, KV, hint="drops large packets (MTU)")
    assert "it has replied before" in finding.message
