"""Fixtures that the tests of several kinds share."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from preflight.demo.servers.mistle import Gateway
from tests.testbed import Authority, Postgres, postgres_server


@pytest.fixture(scope="module")
def trusted(authority: Authority) -> Iterator[Path]:
    """The file of the tests' own certificate authority."""
    with authority.trusted() as path:
        yield Path(path)


@pytest.fixture
def resolve_to(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Gives every name these addresses, in this order; a system sorts those that it finds."""

    def give(*addresses: str) -> None:
        kinds = [(socket.AF_INET6 if ":" in address else socket.AF_INET, address) for address in addresses]

        def look_up(_host: object, port: object, *_more: object, **_options: object) -> list[tuple[object, ...]]:
            return [(kind, socket.SOCK_STREAM, 6, "", (address, port)) for kind, address in kinds]

        monkeypatch.setattr(socket, "getaddrinfo", look_up)

    return give


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    """No test causes the gateway to write anything."""
    gateway = Gateway()
    yield gateway
    assert gateway.writes == []


@pytest.fixture(scope="module")
def postgres_with_tls(authority: Authority) -> Iterator[Postgres]:
    with postgres_server(certificate=authority.leaf()) as server:
        yield server
