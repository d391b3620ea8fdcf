"""A network in which servers are far away: every packet is held for half of a round trip.

One TUN device in a network of its own. A packet to FAR comes back later with both addresses exchanged: to this
machine, from FAR. So a listener at NEAR is also at FAR, where a client reaches it through the device. The exchange
changes no checksum.
"""

import fcntl
import heapq
import os
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar

from tests.harness.networks import SIOCSIFADDR, SIOCSIFFLAGS, UP_AND_RUNNING, own_network

NEAR, FAR = "10.99.0.1", "10.99.0.2"
SIOCSIFNETMASK, TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x891C, 0x400454CA, 0x1, 0x1000
_DEVICE = b"far0"
Result = TypeVar("Result")


@dataclass(frozen=True)
class FarNetwork:
    """``call`` calls a function in a thread that has this network. ``port`` makes a local port one of FAR too."""

    call: Callable[[Callable[[], object]], object]
    stack: ExitStack

    def __call__(self, function: Callable[[], Result]) -> Result:
        return self.call(function)  # type: ignore[return-value]

    def port(self, local: int) -> int:
        """The port of FAR that leads to this port of 127.0.0.1."""
        listener = self(lambda: socket.create_server((NEAR, 0)))
        accepting = _in_thread(_accept, listener, local)
        self.stack.callback(listener.close)
        self.stack.callback(accepting.join)
        self.stack.callback(listener.shutdown, socket.SHUT_RDWR)
        return int(listener.getsockname()[1])


@contextmanager
def far_network(round_trip: float) -> Iterator[FarNetwork]:
    """FAR is ``round_trip`` seconds away. Needs root, and /dev/net/tun."""
    with own_network("192.0.2.1") as inside, ExitStack() as stack:
        device = inside(_device).result()
        ended, end = os.pipe()
        held = _in_thread(_hold, device, ended, round_trip / 2)
        for descriptor in (device, ended, end):
            stack.callback(os.close, descriptor)
        stack.callback(held.join)
        stack.callback(os.write, end, b"\0")
        yield FarNetwork(lambda function: inside(function).result(), stack)


def can_be_far() -> bool:
    """Whether this process may make such a network."""
    try:
        with far_network(0.001):
            return True
    except (OSError, AttributeError):
        return False


def _device() -> int:
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", _DEVICE, IFF_TUN | IFF_NO_PI))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for request, address in ((SIOCSIFADDR, NEAR), (SIOCSIFNETMASK, "255.255.255.0")):
            wanted = struct.pack("16sHH4s8x", _DEVICE, socket.AF_INET, 0, socket.inet_aton(address))
            fcntl.ioctl(any_socket, request, wanted)
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", _DEVICE, UP_AND_RUNNING))
    return device


def _hold(device: int, ended: int, seconds: float) -> None:
    """Give each packet back after these seconds."""
    held: list[tuple[float, bytes]] = []
    while True:
        wait = max(0.0, held[0][0] - time.monotonic()) if held else None
        ready, _, _ = select.select([device, ended], [], [], wait)
        if ended in ready:
            return
        if device in ready:
            packet = os.read(device, 65536)
            if packet[0] >> 4 == 4:
                heapq.heappush(held, (time.monotonic() + seconds, _exchanged(packet)))
        while held and held[0][0] <= time.monotonic():
            os.write(device, heapq.heappop(held)[1])


def _exchanged(packet: bytes) -> bytes:
    return packet[:12] + packet[16:20] + packet[12:16] + packet[20:]


def _accept(listener: socket.socket, local: int) -> None:
    with suppress(OSError):
        while True:
            near, _ = listener.accept()
            near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _in_thread(_relay, near, local)


def _relay(near: socket.socket, local: int) -> None:
    with near, suppress(OSError), socket.create_connection(("127.0.0.1", local)) as server:
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        other = {near: server, server: near}
        while True:
            for source in select.select([near, server], [], [])[0]:
                data = source.recv(65536)
                if not data:
                    return
                other[source].sendall(data)


def _in_thread(function: Callable[..., None], *arguments: object) -> threading.Thread:
    thread = threading.Thread(target=function, args=arguments, daemon=True)
    thread.start()
    return thread
