"""The columns of the fault matrix: faults on the way to a server, and in its first reply."""

import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from operator import attrgetter

from checks.core.check import Check
from tests.harness import faults, socket_faults
from tests.harness.fault_rows import FaultPoint, Place, Row
from tests.harness.faults import GARBAGE, LOOPBACK
from tests.testbed import Authority, Leaf, self_signed

ALIVE, BOTH, SILENT, NOWHERE = "alive.test", "both.test", "silent.test", "nowhere.test"
NAMES = {f"*.{ALIVE}": [LOOPBACK], f"*.{BOTH}": ["::1", LOOPBACK]}
"""The records of the name server; it never replies to a question for SILENT."""
_SERVER_HELLO = bytes.fromhex("160303007a020000760303") + bytes(32)


@dataclass(frozen=True)
class Certificates:
    """The certificates of the servers; `good` is trusted and valid for every name."""

    good: Leaf
    expired: Leaf
    wrong_host: Leaf
    unknown_ca: Leaf
    self_signed: Leaf

    @classmethod
    def of(cls, authority: Authority) -> "Certificates":
        names = [name for host in (ALIVE, BOTH) for name in (host, f"*.{host}")]
        return cls(
            authority.leaf(*names),
            authority.expired(*names),
            authority.leaf("other.test"),
            Authority().leaf(*names),
            self_signed(ALIVE),
        )


Serve = Callable[[Row, Certificates], AbstractContextManager[Place]]
Behave = Callable[[Row, socket.socket], object]


@dataclass(frozen=True)
class Fault:
    """`serve` yields the port or socket of a server with the fault; `host` is a name of that server.

    `limit` is that of the check, in seconds: long enough for a busy machine if the fault shows at once, short if the
    check waits for all of it.
    """

    name: str
    serve: Serve
    point: FaultPoint = FaultPoint.START
    host: str = ALIVE
    limit: float = 10.0


def _refusing(row: Row, _: Certificates) -> AbstractContextManager[Place]:
    return socket_faults.dead_socket() if row.is_local else faults.refused_port()


def _dropping(row: Row, _: Certificates) -> AbstractContextManager[Place]:
    return socket_faults.full_socket() if row.is_local else faults.black_hole()


@contextmanager
def _half_dead(row: Row, certificates: Certificates) -> Iterator[Place]:
    """At IPv6 packets are dropped; the server at IPv4 refuses the login, which shows that it was reached."""
    with ExitStack() as stack:
        port = stack.enter_context(_within_tls(_refuse)(row, certificates))
        with suppress(OSError):  # without IPv6 here, the address is unreachable as well
            stack.enter_context(faults.black_hole("::1", int(str(port))))
        yield port


def _serving(row: Row, behaviour: faults.Behaviour) -> AbstractContextManager[Place]:
    return socket_faults.serving(behaviour) if row.is_local else faults.serving(behaviour)


def _below_tls(behave: Behave) -> Serve:
    return lambda row, _: _serving(row, lambda connection: behave(row, connection))


def _within_tls(behave: Behave, show: Callable[[Certificates], Leaf] = lambda certificates: certificates.good) -> Serve:
    """Within TLS if the row has TLS, with this certificate."""

    def serve_row(row: Row, certificates: Certificates) -> AbstractContextManager[Place]:
        context = show(certificates).context()

        def serve(connection: socket.socket) -> None:
            if row.tls:
                row.agree(connection)
                _secure(connection, context, lambda secured: behave(row, secured))
            else:
                behave(row, connection)

        return _serving(row, serve)

    return serve_row


def _with_tls(row: Row, certificates: Certificates) -> AbstractContextManager[Place]:
    return _serving(row, lambda connection: _secure(connection, certificates.good.context(), faults.read_on))


def _secure(connection: socket.socket, context: ssl.SSLContext, behaviour: faults.Behaviour) -> None:
    if connection.recv(1, socket.MSG_PEEK):  # if the client has gone, wrap_socket would leave a socket open
        with context.wrap_socket(connection, server_side=True) as secured:
            behaviour(secured)


# From the first byte


def _wait(_row: Row, connection: socket.socket) -> None:
    faults.read_on(connection)


def _send_garbage(_row: Row, connection: socket.socket) -> None:
    faults.send(connection, GARBAGE)


def _send_on(_row: Row, connection: socket.socket) -> None:
    faults.repeat(connection, GARBAGE * 16)


def _reset(row: Row, connection: socket.socket) -> None:
    if not row.greets_plain:
        connection.recv(1, socket.MSG_PEEK)  # a client that sends something is connected
    faults.reset(connection)


# In the handshake; without TLS, in the first reply


def _begin(row: Row, connection: socket.socket) -> bytes:
    """Do all that comes before the bytes returned: the ServerHello, or without TLS the first reply."""
    if row.tls:
        row.agree(connection)
    if row.tls or not row.protocol.greets:
        connection.recv(65536)
    return _SERVER_HELLO if row.tls else row.protocol.reply


def _reset_half_way(row: Row, connection: socket.socket) -> None:
    message = _begin(row, connection)
    connection.sendall(message[: len(message) // 2])
    faults.reset(connection)


def _drip(row: Row, connection: socket.socket) -> None:
    for byte in _begin(row, connection):
        connection.sendall(bytes([byte]))
        time.sleep(1.0)


def _continue_in_plaintext(row: Row, connection: socket.socket) -> None:
    if row.greets_plain:
        row.agree(connection)
    row.protocol.plain(connection)


# In the first reply, within TLS if the row has TLS


def _await_turn(row: Row, connection: socket.socket) -> None:
    if not row.protocol.greets or (row.tls and row.greets_plain):  # after STARTTLS it is the client's turn
        connection.recv(65536)


def _reply_garbage(row: Row, connection: socket.socket) -> None:
    _await_turn(row, connection)
    faults.send(connection, GARBAGE)


def _reply_on(row: Row, connection: socket.socket) -> None:
    _await_turn(row, connection)
    faults.repeat(connection, GARBAGE * 16)


def _cut(row: Row, connection: socket.socket) -> None:
    _await_turn(row, connection)
    connection.sendall(row.protocol.reply[:-1])


def _cut_and_wait(row: Row, connection: socket.socket) -> None:
    _cut(row, connection)
    faults.read_on(connection)


def _refuse(row: Row, connection: socket.socket) -> None:
    _await_turn(row, connection)
    connection.sendall(row.protocol.refusal)
    while connection.recv(65536):
        connection.sendall(row.protocol.refusal)


FAULTS = (
    Fault("name not found", _refusing, host=NOWHERE),
    Fault("name server is silent", _refusing, host=SILENT, limit=3.0),
    Fault("refused", _refusing),
    Fault("packets dropped", _dropping, limit=3.0),
    Fault("one address of two is dead", _half_dead, FaultPoint.INSIDE, BOTH),
    Fault("silent", _below_tls(_wait), limit=3.0),
    Fault("reset after connect", _below_tls(_reset)),
    Fault("reset within the first message", _below_tls(_reset_half_way), FaultPoint.HANDSHAKE),
    Fault("garbage", _below_tls(_send_garbage), limit=4.0),
    Fault("endless garbage", _below_tls(_send_on), limit=4.0),
    Fault("one byte a second", _below_tls(_drip), FaultPoint.HANDSHAKE, limit=3.0),
    Fault("TLS where plaintext is expected", _with_tls),
    Fault("plaintext where TLS is expected", _below_tls(_continue_in_plaintext), FaultPoint.HANDSHAKE),
    *(
        Fault(f"certificate {fault}", _within_tls(_wait, attrgetter(name)), FaultPoint.HANDSHAKE)
        for fault, name in {
            "expired": "expired",
            "for another host": "wrong_host",
            "of an unknown CA": "unknown_ca",
            "self-signed": "self_signed",
        }.items()
    ),
    Fault("silence within TLS", _within_tls(_wait), FaultPoint.INSIDE, limit=3.0),
    Fault("garbage within TLS", _within_tls(_reply_garbage), FaultPoint.INSIDE, limit=4.0),
    Fault("endless garbage within TLS", _within_tls(_reply_on), FaultPoint.INSIDE),
    Fault("reply cut, then closed", _within_tls(_cut), FaultPoint.INSIDE),
    Fault("reply cut, then silence", _within_tls(_cut_and_wait), FaultPoint.INSIDE, limit=3.0),
    Fault("terminal escapes in its text", _within_tls(_refuse), FaultPoint.INSIDE),
)


@contextmanager
def checks_with_faults(cells: Iterable[tuple[Row, Fault]], certificates: Certificates) -> Iterator[tuple[Check, ...]]:
    """The checks of these rows, each with a server of its own that has the fault."""
    with ExitStack() as stack:
        yield tuple(row.at(fault.host, stack.enter_context(fault.serve(row, certificates))) for row, fault in cells)
