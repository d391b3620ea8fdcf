"""A name with several addresses that all accept connections, and at which not the same service replies."""

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from checks.core.finding import Layer, Status
from preflight.demo.servers.mistle import TOKEN, control_plane_api
from tests.harness import faults, profiles
from tests.harness.relays import relay
from tests.harness.run_check import CheckRun, run_check
from tests.testbed import Authority, Postgres, Valkey, valkey_server, web_server

KV, PREFIX = "kv.data_plane.url", "kv.data_plane.key_prefix"
API = "services.control_plane_api"
HOST, FIRST, SECOND = "both.test", "127.0.0.1", "127.0.0.2"
ResolveTo = Callable[..., None]


def other(port: int, behaviour: faults.Behaviour) -> AbstractContextManager[None]:
    """A server at SECOND, with the port of the one at FIRST."""

    @contextmanager
    def serving() -> Iterator[None]:
        with socket.create_server((SECOND, port)) as listener, faults.accepting(listener, behaviour):
            yield

    return serving()


def greet(connection: socket.socket) -> None:
    faults.send(connection, b"SSH-2.0-OpenSSH_9.9\r\n")


def check_valkey(port: int, scheme: str = "redis", extra: Path | None = None) -> CheckRun:
    values = {KV: f"{scheme}://{HOST}:{port}", PREFIX: "mistle"}
    return run_check("kv.data_plane", values, extra=extra, timeout=20.0)


@pytest.mark.parametrize("order", profiles.first(1, [((FIRST, SECOND),), ((SECOND, FIRST),)]))
def test_another_protocol_at_one_address(valkey: Valkey, resolve_to: ResolveTo, order: Sequence[str]) -> None:
    resolve_to(*order)
    with other(valkey.port, greet):
        finding = check_valkey(valkey.port).fails(
            "network.address-differs", Layer.CONNECT, KV, hint="remove the addresses that are not the service's"
        )
    assert finding.message == f"{SECOND} of {HOST}'s addresses speak another protocol than {FIRST}"


@profiles.long
@pytest.mark.parametrize("order", [(FIRST, SECOND), (SECOND, FIRST)])
def test_another_protocol_beside_http(resolve_to: ResolveTo, order: Sequence[str]) -> None:
    resolve_to(*order)
    with web_server(control_plane_api()) as web, other(web.port, greet):
        values = {f"{API}.internal_url": f"http://{HOST}:{web.port}", "internal_auth.shared_token.token": TOKEN}
        result = run_check(f"{API}.internal", values, timeout=20.0)
    result.fails("network.address-differs", Layer.CONNECT, f"{API}.internal_url", hint="remove the addresses")


@profiles.long
def test_silence_at_one_address(valkey: Valkey, resolve_to: ResolveTo) -> None:
    resolve_to(FIRST, SECOND)
    with other(valkey.port, faults.read_on):
        result = check_valkey(valkey.port)
    finding = result["network.address-unreachable"]
    assert finding.status is Status.WARN
    assert f"{SECOND} of {HOST}'s addresses accept connections, and send no reply" in finding.message


@profiles.long
def test_both_addresses_lead_to_the_server(valkey: Valkey, resolve_to: ResolveTo) -> None:
    resolve_to(FIRST, SECOND)
    with other(valkey.port, lambda client: relay(client, valkey.port)):
        result = check_valkey(valkey.port)
    assert f"tried at {FIRST} alone" in result["valkey.connect"].message


@profiles.long
def test_plaintext_at_one_address(authority: Authority, trusted: Path, resolve_to: ResolveTo) -> None:
    resolve_to(FIRST, SECOND)
    with valkey_server(authority.leaf(HOST)) as server, other(server.port, greet):
        result = check_valkey(server.port, "rediss", trusted)
    finding = result.fails("network.plaintext-on-tls", Layer.TLS, KV, hint="")
    assert f"at {SECOND}, another address of the same name, and not at {FIRST}" in finding.message


@profiles.long
def test_another_certificate_at_one_address(authority: Authority, trusted: Path, resolve_to: ResolveTo) -> None:
    resolve_to(FIRST, SECOND)
    context = authority.leaf("other.test").context()

    def shake(connection: socket.socket) -> None:
        context.wrap_socket(connection, server_side=True).close()

    with valkey_server(authority.leaf(HOST)) as server, other(server.port, shake):
        result = check_valkey(server.port, "rediss", trusted)
    finding = result.fails("tls.wrong-host", Layer.TLS, KV, hint="")
    assert f"at {SECOND}, another address" in finding.message


@profiles.long
def test_silence_in_the_handshake_at_one_address(authority: Authority, trusted: Path, resolve_to: ResolveTo) -> None:
    resolve_to(FIRST, SECOND)
    with valkey_server(authority.leaf(HOST)) as server, other(server.port, faults.read_on):
        result = check_valkey(server.port, "rediss", trusted)
    assert f"{SECOND} accepts connections, and ends no TLS" in result["network.address-unreachable"].message


@profiles.long
@pytest.mark.parametrize("order", [(FIRST, SECOND), (SECOND, FIRST)])
def test_another_protocol_beside_postgres(postgres: Postgres, resolve_to: ResolveTo, order: Sequence[str]) -> None:
    resolve_to(*order)
    key = "postgres.control_plane.direct_url"
    with other(postgres.port, greet):
        url = replace(postgres, host=HOST).url()
        result = run_check("postgres.control_plane.direct", {key: url}, timeout=20.0)
    result.fails("network.address-differs", Layer.CONNECT, key, hint="remove the addresses")
