"""Rules for what Mistle's clients and browsers do with a URL: the ports that they refuse, the parts that they drop."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from checks.core.finding import Finding
from preflight.config import causes
from preflight.config.schema.keys import KEYS
from preflight.config.schema.tables import API, GATEWAY
from preflight.config.schema.types import shown

if TYPE_CHECKING:
    from preflight.config.validation.context import Context, Rule

# Mistle makes `new URL("/internal/…", base)` of these; the control-plane API's client keeps its path.
ROOTED = ("services.data_plane_api.internal_url", f"{GATEWAY}.internal_url")
# The sandboxes' own client connects to it, and takes any port.
_ANY_PORT = (f"{GATEWAY}.sandbox_ws_internal_url",)
# "Bad ports" of the Fetch standard, the same for browsers and for Node's fetch, also for WebSockets.
_REFUSED_PORTS = frozenset(
    {1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109}
    | {110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530}
    | {531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190}
    | {5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080}
)


def dropped_paths(context: Context) -> Iterator[Finding]:
    """No path is written that Mistle's client drops."""
    for key in ROOTED:
        url = context.values.url_or_none(key)
        if url and (url.path.strip("/") or url.query):
            part = f"the path {shown(url.path)}" if url.path.strip("/") else "a query"
            message = f"has {part}; Mistle drops it, and sends its requests to {shown(url.origin)}"
            yield context.finding(causes.DROPPED_PATH, key, message=message)


def refused_ports(context: Context) -> Iterator[Finding]:
    """The services listen on ports that fetch and browsers connect to."""
    for key in KEYS:
        url = context.values.url_or_none(key.path) if key.url and key.path.startswith("services.") else None
        if url and url.port in _REFUSED_PORTS and key.path not in _ANY_PORT:
            who = "browsers refuse" if _is_public(key.path) else "Node's fetch refuses"
            message = f"names port {url.port}, to which {who} to connect, whatever listens there"
            yield context.finding(causes.REFUSED_PORT, key.path, message=message)


def ignored_queries(context: Context) -> Iterator[Finding]:
    """A Valkey URL has no query: node-redis reads the database from the path alone."""
    for key in ("kv.data_plane.url", "kv.control_plane.url"):
        url = context.values.url_or_none(key)
        if url and url.query:
            message = f"has a query, which Mistle's client ignores: it uses database {url.path.strip('/') or 0}"
            yield context.finding(causes.IGNORED_QUERY, key, message=message)


RULES: tuple[Rule, ...] = (dropped_paths, refused_ports, ignored_queries)


def _is_public(key: str) -> bool:
    return key.startswith("services.dashboard.") or key == f"{API}.public_url" or key.endswith("_ws_public_url")
