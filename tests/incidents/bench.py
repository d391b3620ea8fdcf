"""What a scene is, and the values of a configuration at which each check finds its server."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from preflight.demo.servers.mistle import TOKEN
from preflight.demo.servers.tunnel import BOOTSTRAP, Signature
from tests.harness import faults
from tests.testbed import Authority, Postgres, Valkey

SIGNED = ("secret", "issuer", "audience")
DIRECT, POOLED = "postgres.control_plane.direct", "postgres.control_plane.pooled"
DATA_DIRECT, DATA_POOLED = "postgres.data_plane.direct", "postgres.data_plane.pooled"
KV, SMTP, STORE = "kv.data_plane", "email.smtp", "object_store.assets"
API, DATA_API = "services.control_plane_api.internal", "services.data_plane_api.internal"
GATEWAY = "services.data_plane_gateway.internal"
TUNNEL, PUBLIC_TUNNEL = (f"services.data_plane_gateway.sandbox_ws_{way}" for way in ("internal", "public"))
TRACES, LOGS = "telemetry.traces", "telemetry.logs"
PUBLIC_API = "services.control_plane_api.public"
CONNECT: dict[str, object] = {f"sandbox.tokens.connect.{name}": getattr(Signature(), name) for name in SIGNED}
BOOTSTRAP_TOKEN: dict[str, object] = {f"sandbox.tokens.bootstrap.{name}": getattr(BOOTSTRAP, name) for name in SIGNED}
OTHER_HOST = "127.0.0.9"
HOMES = "198.51.100.1", "198.51.100.2"
Values = dict[str, object]
Inside = Callable[[Callable[[], Any]], Any]
Make = Callable[["Bench"], Mapping[str, Values]]


@dataclass
class Bench:
    """The servers that a scene may use; what it starts ends with ``stack``."""

    postgres: Postgres
    valkey: Valkey
    authority: Authority
    stack: ExitStack

    def start(self, manager: Any) -> Any:
        """Start a server for the time of the scene."""
        return self.stack.enter_context(manager)


def directly(function: Callable[[], Any]) -> Any:
    """Call it here."""
    return function()


@dataclass(frozen=True)
class Scene:
    """``make`` makes the fault, and returns the keys' values, by the name of the check. ``root``: the cause's id;
    ``of``: its check, where it is a finding. ``explains``: what follows.
    """

    name: str
    make: Make
    root: str
    explains: frozenset[tuple[str, str]]
    certain: bool = False
    of: str = ""
    inside: Inside = directly
    needs_root: bool = False
    limit: float = 5.0
    is_trusted: bool = False  # the authority of the certificates


def both(check: str, *others: str, id_: str) -> frozenset[tuple[str, str]]:
    """These checks, each with this finding."""
    return frozenset((name, id_) for name in (check, *others))


def postgres_at(address: str, check: str = DIRECT, user: str = "u:p") -> dict[str, Values]:
    return {check: {f"{check}_url": f"postgresql://{user}@{address}/mistle"}}


def valkey_at(address: str) -> dict[str, Values]:
    return {KV: {"kv.data_plane.url": f"redis://{address}"}}


def smtp_at(host: str, port: int) -> dict[str, Values]:
    return {SMTP: {"email.smtp.host": host, "email.smtp.port": port, "email.smtp.secure": False}}


def otlp_at(url: str, check: str = TRACES) -> dict[str, Values]:
    return {check: {"telemetry.enabled": True, f"{check}.endpoint": f"{url}/v1/{check.rpartition('.')[2]}"}}


def service_at(check: str, port: int, token: str = TOKEN) -> dict[str, Values]:
    url = f"http://127.0.0.1:{port}"
    return {check: {f"{check}_url": url, "internal_auth.shared_token.token": token}}


def closed_ports(bench: Bench, count: int) -> list[int]:
    return [bench.start(faults.refused_port()) for _ in range(count)]
