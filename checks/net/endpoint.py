"""The target of a URL, and the layers below HTTP and WebSockets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from checks.core.finding import Layer, Status
from checks.core.recorder import Recorder
from checks.core.text import bracketed
from checks.net.network_errors import NoSuchName
from checks.net.tcp import NetworkCheck, reach, resolve
from checks.net.tls import PlaintextProbe, check_tls

if TYPE_CHECKING:
    Proof = Callable[[Recorder, "Endpoint"], Awaitable[bool]]

HTTP = PlaintextProbe(b"GET / HTTP/1.0\r\n\r\n", (b"HTTP/",))


@dataclass(frozen=True)
class Endpoint:
    """The target of a URL. ``path`` includes the query."""

    scheme: str
    host: str
    port: int
    path: str = field(default="/", repr=False)

    @property
    def tls(self) -> bool:
        """Whether the scheme is one with TLS."""
        return self.scheme in {"https", "wss"}

    @property
    def without_tls(self) -> Endpoint:
        """The same endpoint, with the scheme without TLS."""
        return replace(self, scheme={"https": "http", "wss": "ws"}.get(self.scheme, self.scheme))

    @property
    def address(self) -> str:
        """host:port."""
        return f"{bracketed(self.host)}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.address}{self.path}"

    @property
    def shown(self) -> str:
        """The URL without its query, which may hold a secret."""
        return str(self).partition("?")[0]

    def at(self, path: str) -> Endpoint:
        """The same endpoint with ``path`` appended to its own; the queries of both are kept."""
        own, _, query = self.path.partition("?")
        appended, _, more = path.partition("?")
        queries = "&".join(filter(None, (query, more)))
        return replace(self, path=own.rstrip("/") + appended + (queries and f"?{queries}"))


@dataclass(frozen=True, kw_only=True)
class EndpointCheck(NetworkCheck):
    """A check of a server at a URL: the network layers, and the layers ``above`` them."""

    over_http = True
    above: ClassVar[tuple[Layer, ...]]
    endpoint: Endpoint

    @property
    def target(self) -> str:
        """The URL, without its query."""
        return self.endpoint.shown

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The network layers, tls only if the scheme has TLS, and the layers above them."""
        tls = (Layer.TLS,) if self.endpoint.tls else ()
        return (Layer.DNS, Layer.CONNECT, *tls, *self.above)


async def reach_endpoint(
    record: Recorder, endpoint: Endpoint, fields: tuple[str, ...] = ("url",), proof: Proof | None = None
) -> str:
    """The layers dns, connect and, for https and wss, tls. Returns an address that accepts.

    ``proof`` shows whether the right service replies to a request without TLS; it gets ``endpoint.without_tls``.
    """
    address = await reach(record, endpoint.host, endpoint.port, fields, None if endpoint.tls else HTTP)
    if endpoint.tls:
        in_plaintext = partial(proof, record, endpoint.without_tls) if proof else None
        target = (address, endpoint.port)
        await check_tls(record, endpoint.host, target, fields=fields, plaintext=HTTP, proof=in_plaintext)
    return address


async def resolve_only(record: Recorder, endpoint: Endpoint, reason: str) -> None:
    """The dns layer alone, which proves no field; the other layers are skipped for ``reason``.

    A missing name is a warning: on many platforms it is created with the service.
    """
    with record.layer(Layer.DNS, f"{endpoint.host} resolves"):
        try:
            await resolve(endpoint.host, endpoint.port)
        except (OSError, NoSuchName) as error:
            if diagnosis := record.check.diagnose(error):
                record.note(replace(diagnosis, status=min(diagnosis.status, Status.WARN)))
    for layer in record.check.layers[1:]:
        record.skip(layer, reason, ("url",))
