"""Servers that are far away: the times of the layers are those of the link, and the distance is named."""

import pytest

from checks.core.finding import Layer, Status
from checks.core.loop.waits import ROUND_TRIP as FACT
from tests.harness import profiles
from tests.harness.far_network import FAR, can_be_far, far_network
from tests.harness.run_check import CheckRun, run_check
from tests.testbed import Postgres, Valkey
from tests.testbed.containers import Server

pytestmark = pytest.mark.skipif(not can_be_far(), reason="needs root and /dev/net/tun, for a network of its own")

ROUND_TRIP = 0.1  # seconds
KV, POSTGRES = "kv.data_plane.url", "postgres.data_plane.direct_url"


def seen_from_afar(name: str, key: str, server: Server, url: str, round_trip: float, **more: object) -> CheckRun:
    with far_network(round_trip, server.port) as far:
        there = url.replace(f"{server.host}:", f"{FAR}:")
        return far(lambda: run_check(name, {key: there, **more}, stage="before-deploy"))


def valkey_check(valkey: Valkey, round_trip: float) -> CheckRun:
    return seen_from_afar("kv.data_plane", KV, valkey, valkey.url(), round_trip, **{"kv.data_plane.key_prefix": "m"})


def postgres_check(postgres: Postgres, round_trip: float) -> CheckRun:
    return seen_from_afar("postgres.data_plane.direct", POSTGRES, postgres, postgres.url(), round_trip)


def test_far_valkey(valkey: Valkey) -> None:
    result = valkey_check(valkey, ROUND_TRIP)
    finding = result.warns("network.far", Layer.FITNESS, KV, hint="region of the server")
    assert "a round trip to the server takes" in finding.message
    takes(result, connect=1, auth=2)  # HELLO with the login; then all commands at once


def test_far_postgres(postgres: Postgres) -> None:
    result = postgres_check(postgres, ROUND_TRIP)
    result.warns("network.far", Layer.FITNESS, POSTGRES, hint="region of the server")
    takes(result, connect=1, auth=4, access=1)  # a connection, the start-up message, and two for SCRAM


def test_near_server(valkey: Valkey) -> None:
    result = run_check("kv.data_plane", {KV: valkey.url(), "kv.data_plane.key_prefix": "m"})
    assert result.status is Status.OK, result
    assert 0 < result.facts[FACT] < 25


def takes(result: CheckRun, **round_trips: int) -> None:
    """No layer takes less than its round trips; `connect` is the one that the kernel measured."""
    seconds = {str(each.layer): each.seconds for each in result.findings if each.status is Status.OK and each.seconds}
    assert seconds["connect"] == pytest.approx(result.facts[FACT] / 1e3, abs=0.001)
    for layer, count in round_trips.items():
        assert seconds[layer] >= count * ROUND_TRIP, (layer, seconds)


@profiles.long
def test_times_over_a_link_of_80_ms(valkey: Valkey, postgres: Postgres) -> None:
    """The best of three: a busy machine delays the servers and the packets too."""
    for check, counts in (
        (lambda: valkey_check(valkey, 0.08), {"connect": 1, "auth": 2 + bool(valkey.database)}),  # SELECT
        (lambda: postgres_check(postgres, 0.08), {"connect": 1, "auth": 4, "access": 1}),
    ):
        runs = [{str(each.layer): each.seconds for each in check().findings} for _ in range(3)]
        for layer, count in counts.items():
            assert count * 0.08 <= min(seconds[layer] for seconds in runs) <= count * 0.08 + 0.04, (layer, runs)
