"""Faults of the network, each made by a function; and the networks in which a run is made."""

import subprocess
from collections.abc import Callable, Mapping
from typing import Any

from tests.harness import faults
from tests.harness.networks import in_own_network
from tests.incidents.bench import (
    DATA_DIRECT,
    HOMES,
    OTHER_HOST,
    Bench,
    Values,
    closed_ports,
    postgres_at,
    smtp_at,
    valkey_at,
)
from tests.testbed.names import name_server, with_files


def host_refuses(bench: Bench) -> Mapping[str, Values]:
    first, second = closed_ports(bench, 2)
    return postgres_at(f"{OTHER_HOST}:{first}") | valkey_at(f"{OTHER_HOST}:{second}")


def host_silent(bench: Bench) -> Mapping[str, Values]:
    first, second = (bench.start(faults.black_hole(OTHER_HOST)) for _ in range(2))
    return postgres_at(f"{OTHER_HOST}:{first}") | valkey_at(f"{OTHER_HOST}:{second}")


def two_hosts(_: Bench) -> Mapping[str, Values]:
    return postgres_at(f"{HOMES[0]}:5432") | valkey_at(f"{HOMES[1]}:6379") | smtp_at(HOMES[1], 587)


def names_of_two_domains(_: Bench) -> Mapping[str, Values]:
    return postgres_at("db.one.test:5432") | valkey_at("kv.two.test:6379")


def names_of_one_domain(_: Bench) -> Mapping[str, Values]:
    return postgres_at("db.zone.test:5432") | valkey_at("kv.zone.test:6379")


def names_without_domain(_: Bench) -> Mapping[str, Values]:
    return postgres_at("mistle-db:5432") | valkey_at("mistle-kv:6379")


def one_name(_: Bench) -> Mapping[str, Values]:
    return postgres_at("db.zone.test:5432") | valkey_at("db.zone.test:6379")


def no_name_server(function: Callable[[], Any]) -> Any:
    """Nothing listens at the address of the name server."""
    conf = b"nameserver 127.0.0.9\noptions timeout:1 attempts:1\n"
    return with_files({"/etc/resolv.conf": conf}, function)


def name_server_without_zone(function: Callable[[], Any]) -> Any:
    """A name server that knows no name of the tests."""
    with name_server({"known.other": ["127.0.0.1"]}) as server:
        return server.asked_by(function)


def no_route(function: Callable[[], Any]) -> Any:
    """A network that leads nowhere."""
    return in_own_network("192.0.2.7", function)


def forbidden(function: Callable[[], Any]) -> Any:
    """A machine that forbids its connections to these hosts."""

    def inside() -> Any:
        subprocess.run(["ip", "route", "add", "prohibit", "198.51.100.0/24"], check=True)
        return function()

    return in_own_network("192.0.2.7", inside)


def name_server_that_refuses(function: Callable[[], Any]) -> Any:
    """It answers for another zone, and not for the tests'."""
    with name_server({"known.other": ["127.0.0.1"]}, refused=["zone.test"]) as server:
        return server.asked_by(function)


def one_zone_of_two(_: Bench) -> Mapping[str, Values]:
    return names_of_one_domain(_) | smtp_at("known.other", 1)


def one_port(bench: Bench) -> Mapping[str, Values]:
    (port,) = closed_ports(bench, 1)
    address = f"{OTHER_HOST}:{port}"
    return postgres_at(address) | postgres_at(address, DATA_DIRECT)
