"""Findings that need two results, on real servers."""

from contextlib import ExitStack
from itertools import product
from pathlib import Path

import pytest

from checks.core.finding import Finding, Layer, Status
from preflight.report.attribution import keys_of
from preflight.report.result import Result
from preflight.run.consistency import compare
from tests.harness import faults, profiles
from tests.harness.run_check import planned, run_check
from tests.testbed import (
    Authority,
    Leaf,
    PgBouncer,
    Postgres,
    haproxy_server,
    pgbouncer_server,
    postgres_replica,
    postgres_server,
    valkey_server,
)
from tests.testbed.postgres import Endpoint

CONTROL, DATA = "postgres.control_plane", "postgres.data_plane"


def found(**urls: str) -> dict[str, Finding]:
    """The findings of a comparison of these URLs' results, by id. Keywords: control_direct, data_pooled…"""
    results = []
    for name, url in urls.items():
        plane, way = name.split("_")
        check, values = f"postgres.{plane}_plane.{way}", {f"postgres.{plane}_plane.{way}_url": url}
        run, subject = run_check(check, values, stage="before-deploy"), planned(check, values)
        results.append(Result(check, "postgres", subject.target, keys_of(subject), (), facts=run.facts))
    return {finding.id: finding for result in compare(tuple(results), {}) for finding in result.findings}


def test_one_database_behind_both_urls_of_a_plane(postgres: Postgres, pgbouncer: PgBouncer) -> None:
    assert found(control_direct=postgres.url(), control_pooled=pgbouncer.url()) == {}


def test_another_database_of_the_same_server(postgres: Postgres, pgbouncer: PgBouncer) -> None:
    other = pgbouncer.url(database=postgres.database())
    finding = found(control_direct=postgres.url(), control_pooled=other)["postgres.different-databases"]
    assert (finding.layer, finding.status) == (Layer.FITNESS, Status.FAIL)
    assert finding.fields == (f"{CONTROL}.direct_url", f"{CONTROL}.pooled_url")
    assert f"{CONTROL}.direct_url and {CONTROL}.pooled_url" in finding.hint
    assert "database mistle" in finding.message


def test_the_same_name_on_another_server(postgres: Postgres) -> None:
    with postgres_server() as other, pgbouncer_server(other.address) as pooler:
        assert "postgres.different-databases" in found(data_direct=postgres.url(), data_pooled=pooler.url())


def test_a_server_that_hides_its_identifier(postgres: Postgres, pgbouncer: PgBouncer) -> None:
    postgres.sql("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM public", database=postgres.name)
    try:
        assert found(control_direct=postgres.url(), control_pooled=pgbouncer.url()) == {}
    finally:
        postgres.sql("GRANT EXECUTE ON FUNCTION pg_control_system() TO public", database=postgres.name)


def test_planes_that_share_a_database(postgres: Postgres) -> None:
    finding = found(control_direct=postgres.url(), data_direct=postgres.url())["postgres.shared-by-planes"]
    assert finding.status is Status.OK
    assert finding.fields == (f"{CONTROL}.direct_url", f"{DATA}.direct_url")


def test_planes_of_their_own(postgres: Postgres) -> None:
    other = postgres.url(database=postgres.database())
    assert found(control_direct=postgres.url(), data_direct=other) == {}


@pytest.mark.parametrize("way", ["direct", "pooled"])
def test_one_result_alone_shows_nothing(postgres: Postgres, way: str) -> None:
    assert found(**{f"control_{way}": postgres.url()}) == {}


def test_urls_that_are_swapped(postgres: Postgres, pgbouncer: PgBouncer) -> None:
    finding = found(control_direct=pgbouncer.url(), control_pooled=postgres.url())["postgres.urls-swapped"]
    assert (finding.layer, finding.status) == (Layer.FITNESS, Status.FAIL)
    assert finding.fields == (f"{CONTROL}.direct_url", f"{CONTROL}.pooled_url")
    assert finding.hint.startswith("exchange the two URLs")


def found_in_turn(balancer: Endpoint, *ways: str) -> dict[str, Finding]:
    """The findings, when two checks have reached different servers: which ones depends on when connections close."""
    tries = (found(**dict.fromkeys(ways, balancer.url())) for _ in range(20))
    return next(results for results in tries if "postgres.several-servers" in results)


def test_a_balancer_in_front_of_several_servers() -> None:
    with (
        postgres_server() as first,
        postgres_server() as second,
        postgres_server() as third,
        haproxy_server(first.address, second.address, third.address) as balancer,
    ):
        results = found_in_turn(balancer, "control_direct", "control_pooled")
    assert results.keys() == {"postgres.several-servers"}
    finding = results["postgres.several-servers"]
    assert (finding.layer, finding.status) == (Layer.FITNESS, Status.FAIL)
    assert finding.fields == (f"{CONTROL}.direct_url", f"{CONTROL}.pooled_url")
    assert f"two connections to {balancer.host}:{balancer.port}/mistle reached different servers" in finding.message


@profiles.long
def test_a_balancer_in_front_of_a_primary_and_replicas() -> None:
    with (
        postgres_server() as primary,
        postgres_replica(primary) as one,
        postgres_replica(primary) as other,
        haproxy_server(primary.address, one.address, other.address) as balancer,
    ):
        results = found_in_turn(balancer, "control_direct", "control_pooled", "data_direct", "data_pooled")
    assert "a replica" in results["postgres.several-servers"].message


@profiles.long
def test_a_balancer_in_front_of_several_valkeys() -> None:
    with (
        valkey_server() as first,
        valkey_server() as second,
        valkey_server() as third,
        haproxy_server(first.address, second.address, third.address) as balancer,
    ):
        results = [of_valkey(f"kv.{plane}_plane", f"redis://{balancer.host}:{balancer.port}") for plane in PLANES * 5]
    pairs = (compare(pair, {}) for pair in product(results[::2], results[1::2]))
    findings = (finding for pair in pairs for result in pair for finding in result.findings)
    finding = next(finding for finding in findings if finding.id == "valkey.several-servers")
    assert (finding.layer, finding.status) == (Layer.FITNESS, Status.FAIL)
    assert finding.fields == ("kv.control_plane.url", "kv.data_plane.url")
    assert f"two connections to {balancer.host}:{balancer.port} reached different servers: a primary" in finding.message


PLANES = ["control", "data"]


def of_valkey(name: str, url: str) -> Result:
    values: dict[str, object] = {f"{name}.url": url, f"{name}.key_prefix": name}
    run, subject = run_check(name, values), planned(name, values)
    return Result(name, "valkey", subject.target, keys_of(subject), (), facts=run.facts)


def clocks(authority: Authority, *leaves: Leaf) -> list[Finding]:
    """What a comparison of the checks of these certificates finds."""
    results = []
    with ExitStack() as stack:
        extra = Path(stack.enter_context(authority.trusted()))
        for number, leaf in enumerate(leaves):
            port = stack.enter_context(faults.tls_port(leaf.context()))
            values = {"kv.data_plane.url": f"rediss://127.0.0.1:{port}", "kv.data_plane.key_prefix": "mistle"}
            run = run_check("kv.data_plane", values, extra=extra)
            results.append(Result(f"kv.{number}", "valkey", f"127.0.0.1:{port}", (), run.findings, facts=run.facts))
    added = {finding.id for result in results for finding in result.findings}
    compared = compare(tuple(results), {})
    return [each for result in compared for each in result.findings if each.id not in added]


def test_all_certificates_are_refused_for_their_dates(authority: Authority) -> None:
    (finding,) = clocks(authority, authority.not_yet_valid(), authority.expired())
    assert (finding.id, finding.layer, finding.status) == ("tls.clock-suspect", Layer.TLS, Status.WARN)
    assert finding.fields == ()
    assert "all 2 certificates are refused for their dates; this machine's clock shows 2" in finding.message
    assert "set it by NTP" in finding.hint


@pytest.mark.parametrize("other", ["a valid one", "another fault", "none"])
def test_one_certificate_that_expired_is_no_clock(other: str, authority: Authority) -> None:
    others = {"a valid one": [authority.leaf()], "another fault": [Authority().leaf()], "none": []}
    expired = [authority.expired(), authority.expired()] if other == "a valid one" else [authority.expired()]
    assert clocks(authority, *expired, *others[other]) == []
