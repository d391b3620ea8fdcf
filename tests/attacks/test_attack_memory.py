"""Servers that send without end.

Each server offers a gigabyte, as fast as the tool reads it, in one of the ways that its protocol allows: one row, one
string, one header, the text of an error, messages without end, or a little that expands to a lot. Each check runs in a
process of its own. It may use at most 32 MiB more than with a server of its kind that sends little. It must end by
itself, long before its limit, and blame the server's address.
"""

import socket
from collections.abc import Iterator, Mapping
from functools import partial

import pytest

from checks.core.finding import Layer
from tests.harness import faults, floods, profiles
from tests.harness.descriptors import TARGETS
from tests.harness.figures import Section
from tests.harness.floods import Flood, Script
from tests.harness.measuring import Measurer
from tests.harness.provider_override import tls_serving
from tests.harness.targets import check_at_server
from tests.testbed import Authority, Leaf

BOUND = 32  # MiB
LIMIT = 20.0  # seconds; on a busy machine a check takes a few

ATTACKS: Mapping[str, Mapping[str, Script]] = {kind: each.floods for kind, each in TARGETS.items() if each.floods}
CASES = [(kind, what) for kind, attacks in ATTACKS.items() for what in attacks]
ENDLESS = "network.endless"
Growth = dict[str, list[tuple[float, float]]]


@pytest.fixture(scope="module")
def measure() -> Iterator[Measurer]:
    with Measurer() as measurer:
        yield measurer


@pytest.fixture(scope="module")
def calm(measure: Measurer, authority: Authority) -> Mapping[str, float]:
    """The memory of a check at a server that sends little, by kind."""
    quiet = floods.http(partial(floods.with_length, b"{}"))
    peaks = {}
    for kind in ATTACKS:
        with check_at_server(kind, Flood(TARGETS[kind].short_reply or quiet), authority) as check:
            peaks[kind] = measure(check.name, check.values, **check.options).peak
    return peaks


@pytest.fixture(scope="module")
def growth(figures: Section) -> Iterator[Growth]:
    """By kind, the MiB and the seconds of processor time of each attack."""
    growth: Growth = {}
    yield growth
    figures.add("attacks", sum(map(len, growth.values())))
    figures.add("each offers, MiB", floods.GIB // 2**20)
    figures.add("bound of the memory that a check may take, MiB", BOUND)
    for kind, all_ in growth.items():
        figures.cell(kind, "attacks", str(len(all_)))
        figures.cell(kind, "most memory that one took, MiB", f"{max(0.0, *(memory for memory, _ in all_)):.1f}")
        figures.cell(kind, "most processor time, s", f"{max(busy for _, busy in all_):.1f}")


@profiles.covering
@pytest.mark.parametrize(("kind", "what"), CASES)
def test_memory_with_endless_reply(
    kind: str,
    what: str,
    measure: Measurer,
    calm: Mapping[str, float],
    authority: Authority,
    growth: Growth,
) -> None:
    flood = Flood(ATTACKS[kind][what])
    with check_at_server(kind, flood, authority) as check:
        result = measure(check.name, check.values, timeout=LIMIT, **check.options)
    growth.setdefault(kind, []).append((result.peak - calm[kind], result.busy))
    assert growth[kind][-1][0] < BOUND, f"{result.peak - calm[kind]:.0f} MiB"
    assert result.seconds < LIMIT / 2, result
    assert result.busy < LIMIT / 4, result  # a check that holds the interpreter holds up all checks
    (failed,) = (each for each in result.findings if each.hint and each.id != "smtp.starttls-not-offered")
    assert failed.id in TARGETS[kind].flood_findings | {ENDLESS}, result
    assert TARGETS[kind].key in failed.fields, result
    assert flood.offered


# Checks that use TLS from the first byte, at a port.
SECURED = {kind: target.tls_values for kind, target in TARGETS.items() if target.tls_values}


@pytest.fixture(scope="module")
def long_chain(authority: Authority) -> Leaf:
    """A certificate with 500 others, none of which proves anything."""
    leaf = authority.leaf()
    return Leaf(leaf.chain + authority.pem * 500, leaf.key)


@pytest.mark.parametrize("kind", profiles.first(2, SECURED))
@pytest.mark.parametrize("what", profiles.first(1, ["a chain of 500 certificates", *floods.TLS]))
def test_memory_with_endless_tls_handshake(
    kind: str, what: str, measure: Measurer, calm: Mapping[str, float], long_chain: Leaf, growth: Growth
) -> None:
    script, target = floods.TLS.get(what), TARGETS[kind]
    with faults.serving(Flood(script)) if script else tls_serving(long_chain, lambda _: None) as port:
        changes = {key: value.format(port) if isinstance(value, str) else value for key, value in SECURED[kind].items()}
        result = measure(target.name, {**target.values(f"localhost:{port}"), **changes}, timeout=LIMIT)
    growth.setdefault(f"{kind}, TLS", []).append((result.peak - calm[kind], result.busy))
    assert growth[f"{kind}, TLS"][-1][0] < BOUND
    assert result.seconds < LIMIT / 2, result
    key = "email.smtp.host" if kind == "smtp" else target.key
    result.fails("tls.handshake-failed", Layer.TLS, key, hint="TLS settings")


@profiles.long
def test_memory_with_endless_postgres_row_through_tls(
    measure: Measurer, calm: Mapping[str, float], authority: Authority, growth: Growth
) -> None:
    context, flood = authority.leaf().context(), Flood(floods.POSTGRES["a row of a gigabyte"])

    def serve(connection: socket.socket) -> None:
        if connection.recv(8).endswith(b"\x04\xd2\x16\x2f"):
            connection.sendall(b"S")
            with context.wrap_socket(connection, server_side=True) as secured:
                flood(secured)

    target = TARGETS["postgres"]
    with faults.serving(serve) as port:
        url = f"postgres://u:postgres-password@localhost:{port}/d?sslmode=require"
        result = measure(target.name, {target.key: url}, timeout=LIMIT)
    growth.setdefault("postgres, TLS", []).append((result.peak - calm["postgres"], result.busy))
    assert growth["postgres, TLS"][-1][0] < BOUND
    result.fails("postgres.not-postgres", Layer.ACCESS, target.key, hint="correct the host and port")
