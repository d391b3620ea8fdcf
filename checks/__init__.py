"""How to prove that one resource works. Knows nothing of Mistle's key names, of reports or of the command line.

``ALL`` is every kind of check, in report order. It is made when it is asked for: an offline command needs none of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from checks.core.check import Check

    ALL: tuple[type[Check], ...]


def _all() -> tuple[type[Check], ...]:
    from checks.archil import Archil
    from checks.docker import DockerEngine
    from checks.e2b import E2b
    from checks.google import Google
    from checks.http_service import HttpService
    from checks.object_store import ObjectStore
    from checks.otlp import Otlp
    from checks.postgres import Postgres
    from checks.publish import Publish
    from checks.smtp import Smtp
    from checks.tunnel import Tunnel
    from checks.valkey import Valkey

    return Postgres, Valkey, ObjectStore, Smtp, DockerEngine, E2b, Archil, HttpService, Tunnel, Otlp, Publish, Google


def __getattr__(name: str) -> object:
    if name == "ALL":
        return _all()
    raise AttributeError(name)
