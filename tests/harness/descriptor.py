"""What the attacks need to know of a kind of check: each tests/kinds/test_<kind>.py has it, as DESCRIPTOR.

A new kind writes one `Descriptor`, with everything that its protocol has; an attack that finds nothing to do for a kind
names the field that is missing.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from starlette.types import ASGIApp

from checks.core.finding import Layer
from tests.harness import text_servers_http
from tests.harness.answers import Replies
from tests.harness.fault_rows import Row
from tests.harness.faults import Behaviour
from tests.harness.floods import Script
from tests.harness.run_check import CheckRun
from tests.harness.text_servers_http import Answer, Request, TextOf
from tests.testbed import Authority


@dataclass(frozen=True)
class DriverError:
    """A function of the driver that is made to fail, the module that it is in, and the finding that this leads to."""

    function: str
    module: str
    server: Behaviour  # a healthy one
    id: str
    layer: Layer


@dataclass(frozen=True, kw_only=True)
class Target:
    """A check by its name, pointed at one server of a test.

    ``values`` makes the configuration from the server's address; ``key`` is where that address stands. ``transport`` is
    "tcp", "unix", or "tls" for a provider, whose address no key gives.
    """

    name: str
    key: str
    values: Callable[[str], Mapping[str, object]]
    transport: str = "tcp"
    is_http: bool = True
    replies: Replies | None = None  # of a healthy server, where it replies in JSON over HTTP
    servers: Sequence[Behaviour] = ()  # whose replies tests/fuzz/replies.py changes; without any, one of ``replies``
    floods: Mapping[str, Script]  # replies that do not end (test_attack_memory)
    short_reply: Script | None = None  # the memory that it takes is subtracted; without it, `{}` over HTTP
    flood_findings: frozenset[str] = frozenset()  # that a flood may lead to, besides network.endless
    tls_values: Mapping[str, object] = field(default_factory=dict)  # with which it uses TLS, at localhost:{}
    texts: Mapping[str, Callable[[str], Behaviour]]  # where a reply may have any text (test_attack_words)
    redirects: Mapping[str, Callable[[str], Behaviour]] = field(default_factory=dict)  # besides those of HTTP
    unreadable: Mapping[str, tuple[Behaviour, str, Layer]] = field(default_factory=dict)  # the finding's id and layer
    driver_error: DriverError | None = None


@dataclass(frozen=True, kw_only=True)
class Family:
    """One server in the deployment of `in_process`: the names of its checks begin with ``checks``.

    ``settings`` point them at it: a text may hold {address}, {host}, {port}, {socket}, and {query_secret} and
    {login_secret}. In a scene the server sends text that a test chooses, in the way that the scene names.

    Over HTTP it shares a port with other families: ``path`` is the pattern of the targets of its requests. It gives the
    ``right`` reply, unless the scene has another. ``provider_path`` is that of a provider, whose address no key gives.
    One that ``is_at_root`` has a port of its own, where its targets have no such path: Mistle leaves it out.
    Any other protocol has a ``server`` of its own, on a Unix socket if it ``is_local``.
    """

    checks: str
    scenes: Mapping[str, Answer | None]
    settings: Mapping[str, object] = field(default_factory=dict)
    path: str | None = None
    right: Callable[[Request], bytes] | None = None
    is_at_root: bool = False
    provider_path: str = ""
    server: Callable[[str, TextOf], Behaviour] | None = None
    is_local: bool = False
    secret_url: str = ""  # the form of its keys that are a secret and a URL, with {secret} and {address}
    hostile: Mapping[str, Behaviour] = field(default_factory=dict)  # by the ways of test_attack_neighbours
    also: str = ""  # the check of another kind that sends requests to this server too


@dataclass(frozen=True)
class WebCheck:
    """The check of this name, at a URL of the configuration that ends in ``path``; without ``key``, at a provider.

    ``row`` is the first cell of its row in SECURITY.md.
    """

    row: str
    check: str
    app: Callable[[], ASGIApp]
    key: str = ""
    path: str = ""


RunAt = Callable[[int], CheckRun]
"""Runs the check at a port of this machine."""
Healthy = Callable[[Authority, Path], AbstractContextManager[tuple[int, RunAt]]]
"""From an authority, and the file of its certificate, to the port of a healthy server and what runs the check."""


@dataclass(frozen=True, kw_only=True)
class Descriptor:
    """One kind. ``rows`` are those of the fault matrix."""

    documented_keys: str = ""  # rows of Mistle's documentation, as in tests/harness/documented_keys.py
    rows: tuple[Row, ...]
    targets: Mapping[str, Target]
    families: Mapping[str, Family]
    settings: Mapping[str, object] = field(default_factory=dict)  # in the deployment of `in_process`, without a family
    web_checks: Mapping[str, WebCheck] = field(
        default_factory=dict
    )  # its checks of Web applications, by SECURITY.md's names
    web_settings: Mapping[str, object] = field(default_factory=dict)
    connections: Mapping[str, Healthy] = field(default_factory=dict)
    """Servers at which its connections are counted, with TLS if the kind has it; by the first cell of SECURITY.md."""


def each_scene(name: str, family: Family) -> tuple[Behaviour, ...]:
    """A server for each scene of this family, which sends a plain text; over HTTP, also the one without a fault."""
    if server := family.server:
        return tuple(server(scene, _plain) for scene in family.scenes)
    scenes = ("right", *family.scenes)
    return tuple(text_servers_http.services({name: family}, {name: scene}, {name: _plain}) for scene in scenes)


def _plain(_sent: bytes) -> str:
    return "no such thing"
