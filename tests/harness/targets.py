"""Runs every kind of check that connects to a server against a server of the test."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from checks.net.endpoint import Endpoint
from tests.harness import faults, provider_override, socket_faults
from tests.harness.descriptors import TARGETS
from tests.harness.run_check import CheckRun, run_check
from tests.testbed import Authority

HTTP = tuple(kind for kind, target in TARGETS.items() if target.is_http)


@dataclass(frozen=True)
class CheckAtServer:
    """The arguments of a check, and the only address that it may connect to."""

    name: str
    values: Mapping[str, object]
    options: Mapping[str, Any]
    address: object


@contextmanager
def check_at_server(
    kind: str, behaviour: faults.Behaviour, authority: Authority | None = None
) -> Iterator[CheckAtServer]:
    """The check of this target, and a server with this behaviour at its address.

    Without an ``authority``, a provider's check does not use TLS.
    """
    target = TARGETS[kind]
    if target.transport == "unix":
        with socket_faults.serving(behaviour) as path:
            yield CheckAtServer(target.name, target.values(str(path)), {}, str(path))
    elif target.transport == "tcp" or not authority:
        with faults.serving(behaviour) as port:
            options = {"endpoint": Endpoint("http", faults.LOOPBACK, port)} if target.transport == "tls" else {}
            yield CheckAtServer(
                target.name, target.values(f"{faults.LOOPBACK}:{port}"), options, (faults.LOOPBACK, port)
            )
    else:
        with authority.trusted() as trusted, provider_override.tls_serving(authority.leaf(), behaviour) as port:
            secured = {"endpoint": Endpoint("https", "localhost", port), "extra": Path(trusted)}
            yield CheckAtServer(target.name, target.values(""), secured, (faults.LOOPBACK, port))


def run_at_server(check: CheckAtServer, **more: Any) -> CheckRun:
    """Run the check once."""
    options = {**check.options, **more}
    if endpoint := options.pop("endpoint", None):
        return provider_override.run_check_at(endpoint, check.name, check.values, **options)
    return run_check(check.name, check.values, **options)
