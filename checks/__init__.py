"""How to prove that one resource works. No Mistle key names, no reports, no command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from checks.core.check import Check

ALL: Mapping[str, str] = {
    "postgres": "checks.postgres:Postgres",
    "valkey": "checks.valkey:Valkey",
    "object_store": "checks.object_store:ObjectStore",
    "smtp": "checks.smtp:Smtp",
    "docker": "checks.docker:DockerEngine",
    "e2b": "checks.e2b:E2b",
    "archil": "checks.archil:Archil",
    "http_service": "checks.http_service:HttpService",
    "tunnel": "checks.tunnel:Tunnel",
    "otlp": "checks.otlp:Otlp",
    "publish": "checks.publish:Publish",
    "google": "checks.google:Google",
}
"""Every kind of check, in report order, and where its class is. A class is imported when it is needed: offline commands
need none.
"""


def load(kind: str) -> type[Check]:
    """The class of a kind."""
    from pkgutil import resolve_name

    check: type[Check] = resolve_name(ALL[kind])
    return check


def load_all() -> tuple[type[Check], ...]:
    """The classes of all kinds, in report order."""
    return tuple(map(load, ALL))
