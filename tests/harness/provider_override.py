"""Runs a provider's check against a server of the tests, although no setting has its address."""

import socket
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from starlette.types import ASGIApp

from checks.core.check import Check
from checks.net.endpoint import Endpoint
from tests.harness import faults
from tests.harness.run_check import CheckRun, planned, run_check
from tests.testbed import Authority, Leaf
from tests.testbed.web import web_server


def run_check_at(endpoint: Endpoint, name: str, values: Mapping[str, object], **options: object) -> CheckRun:
    """As `run_check`, with the check's `endpoint` replaced."""
    return run_check_changed({"endpoint": endpoint}, name, values, **options)


def run_check_changed(
    fields: Mapping[str, object], name: str, values: Mapping[str, object], **options: object
) -> CheckRun:
    """As `run_check`, with these `fields` of the check replaced."""

    def changed(*given: object) -> Check:
        return replace(planned(*given), **fields)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.harness.run_check.planned", changed)
        return run_check(name, values, **options)  # type: ignore[arg-type]


def https(port: int, path: str = "/") -> Endpoint:
    return Endpoint("https", "localhost", port, path)


@dataclass(frozen=True)
class Provider:
    """The check ``name`` of a provider, for servers of the tests. ``values`` makes the configuration."""

    name: str
    values: Callable[..., Mapping[str, object]]
    path: str = "/"

    def check(
        self, port: int, trusted: Path, *given: object, timeout: float = 4.0, read_only: bool = False, **changes: object
    ) -> CheckRun:
        """One run against ``port``, which trusts the CA file ``trusted``; the rest goes to ``values``."""
        values = self.values(*given, **changes)
        return run_check_at(
            https(port, self.path), self.name, values, extra=trusted, timeout=timeout, read_only=read_only
        )

    def answered(self, app: ASGIApp, authority: Authority, trusted: Path, **changes: object) -> CheckRun:
        """One run against a server that serves ``app``."""
        with web_server(app, authority.leaf()) as web:
            return self.check(web.port, trusted, **changes)  # type: ignore[arg-type]


def tls_serving(leaf: Leaf, behaviour: faults.Behaviour) -> AbstractContextManager[int]:
    """`faults.serving` after a TLS handshake that succeeds."""
    context = leaf.context()

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            behaviour(secured)

    return faults.serving(serve)


def hung(leaf: Leaf) -> AbstractContextManager[int]:
    """Reads the request, and never replies."""
    return tls_serving(leaf, faults.read_on)


def endless(leaf: Leaf) -> AbstractContextManager[int]:
    """Replies 200, with JSON without an end."""
    return tls_serving(leaf, _write_on)


def garbage(leaf: Leaf) -> AbstractContextManager[int]:
    """Sends a reply that is not HTTP."""
    return tls_serving(leaf, _greet)


def _write_on(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[")
    while True:
        connection.sendall(b"0," * 4096)


def _greet(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"220 smtp.mistle.test ESMTP\r\n\r\n")
    faults.read_on(connection)  # closing with unread data would reset the connection
