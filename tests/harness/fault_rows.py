"""A row of the fault matrix: a kind of check, in one form of its protocol, made from configuration.

The descriptors of the kinds hold the rows.
"""

import json
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from pathlib import Path

from checks.core.check import Check
from checks.core.finding import Layer, Status
from checks.net.endpoint import Endpoint
from tests.harness.faults import HTTP_REPLY, Behaviour
from tests.harness.run_check import planned

Place = int | Path
"""Where a server is: a port of loopback, or a Unix socket."""
TERMINAL = "\x9b31m\x1b[2J\x1b]0;owned\x07\u202eecilam\u2066"
"""Text that no report may hold: it colours, clears a screen, renames a window, and reverses text."""


class FaultPoint(Enum):
    """Up to where a server is correct: there it has its fault."""

    START = auto()  # from the first byte
    HANDSHAKE = auto()  # in the TLS handshake; without TLS, in its first reply
    INSIDE = auto()  # in its first reply, within TLS where the row has TLS


@dataclass(frozen=True)
class Verdict:
    """The finding that a fault must lead to.

    Without ``layer``, it is the layer on which the check waits for the server. Without ``keys``, the finding blames the
    keys that hold the address; with ``name``, only the first of these.
    """

    id: str
    layer: Layer | None = None
    keys: tuple[str, ...] = ()
    status: Status = Status.FAIL
    name: bool = False


@dataclass(frozen=True)
class Protocol:
    """The messages that servers of a kind send."""

    first: Layer  # the layer on which the check waits for the first reply
    reply: bytes  # the beginning of a correct reply; empty where the check ends with the handshake
    refusal: bytes = b""  # a refusal in this protocol, with TERMINAL in its text
    greets: bool = False  # the server sends first
    agree: Behaviour | None = None  # what both send before the TLS handshake, where TLS is not first
    plain: Behaviour = lambda connection: answer(connection, HTTP_REPLY)  # a server without TLS, when it gets TLS


@dataclass(frozen=True)
class Row:
    """One kind in one form, by the settings that make its check; `{host}` and `{place}` in them are the server's.

    ``foreign`` is the verdict on replies in another protocol, ``refused`` that on a refusal; None where the check reads
    no reply. ``verdicts`` has the faults (`fault_columns.FAULTS`) whose verdict differs from that of most kinds.
    """

    name: str
    protocol: Protocol
    check: str
    settings: Mapping[str, object]
    keys: tuple[str, ...]  # that hold the address
    foreign: Verdict
    refused: Verdict | None
    tls: bool = False
    worst: Status = Status.FAIL
    is_local: bool = False  # reached over a Unix socket
    pointed: Callable[[str, Place], Mapping[str, object]] = lambda _host, _place: {}  # fields that no setting gives
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)

    @property
    def begins_plain(self) -> bool:
        """Whether the first byte is one of plaintext."""
        return not self.tls or self.protocol.agree is not None

    def agree(self, connection: socket.socket) -> None:
        """All that both send before the TLS handshake."""
        if self.protocol.agree:
            self.protocol.agree(connection)

    @property
    def greets_plain(self) -> bool:
        """Whether the server sends first, without TLS."""
        return self.protocol.greets and self.begins_plain

    def layer(self, point: FaultPoint) -> Layer:
        """The layer on which the check waits for the server at this point."""
        handshake = Layer.TLS if self.tls else self.protocol.first
        layers = {
            FaultPoint.START: self.protocol.first if self.greets_plain else handshake,
            FaultPoint.HANDSHAKE: handshake,
            FaultPoint.INSIDE: max(handshake, self.protocol.first, key=list(Layer).index),
        }
        return layers[point]

    def at(self, host: str, place: Place) -> Check:
        """The check of a server there."""
        filled = {
            key: value.format(host=host, place=place) if isinstance(value, str) else value
            for key, value in self.settings.items()
        }
        return replace(planned(self.check, filled), **self.pointed(host, place))


def answer(connection: socket.socket, *replies: bytes) -> None:
    """One reply to each message of the client."""
    for reply in replies:
        connection.recv(65536)
        connection.sendall(reply)


def http(status: str, body: str = "", headers: str = "") -> bytes:
    """A complete reply."""
    head = f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body.encode())}\r\nConnection: close\r\n\r\n"
    return head.encode("latin-1") + body.encode()


def json_http(status: str, **body: object) -> bytes:
    return http(status, json.dumps(body), "Content-Type: application/json\r\n")


ELSEWHERE = http("302 Found", "", "Location: http://\x9b31m.test/\xad\r\n")
"""A redirect to another host."""


def at_url(
    kind: str,
    protocol: Protocol,
    check: str,
    key: str,
    url: str,
    verdicts: tuple[Verdict, Verdict],
    worst: Status = Status.FAIL,
    **more: object,
) -> Row:
    """A kind whose server is at the URL in ``key``; the verdicts are those on a foreign reply and on a refusal."""
    scheme = url.partition(":")[0]
    return Row(
        f"{kind}, {scheme}", protocol, check, {key: url, **more}, (key,), *verdicts, scheme in {"https", "wss"}, worst
    )


def of_provider(
    kind: str,
    protocol: Protocol,
    check: str,
    settings: Mapping[str, object],
    key: str,
    verdicts: tuple[Verdict, Verdict],
    worst: Status = Status.FAIL,
) -> Row:
    """A kind that connects to a provider, whose address no setting gives."""
    return Row(
        f"{kind}, https",
        protocol,
        check,
        settings,
        (key,),
        *verdicts,
        tls=True,
        worst=worst,
        pointed=lambda host, port: {"endpoint": Endpoint("https", host, port)},
    )
