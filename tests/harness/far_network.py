"""A network in which servers are far away: every packet is held for half of a round trip.

One TUN device in a network of its own. A packet to FAR comes back later with both addresses exchanged: to this
machine, from FAR. So a listener at NEAR is also at FAR, where a client reaches it through the device. The exchange
changes no checksum. A process of its own holds the packets: the one under test may be busy.
"""

import fcntl
import heapq
import os
import select
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from tests.harness.networks import SIOCSIFADDR, SIOCSIFFLAGS, UP_AND_RUNNING, own_network

NEAR, FAR, LOCAL = "10.99.0.1", "10.99.0.2", "127.0.0.1"
SIOCSIFNETMASK, TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x891C, 0x400454CA, 0x1, 0x1000
_DEVICE = b"far0"
Result = TypeVar("Result")


@contextmanager
def far_network(round_trip: float, *ports: int) -> Iterator[Callable[[Callable[[], Result]], Result]]:
    """Calls a function in a thread that has this network.

    There, FAR is `round_trip` seconds away; these ports of it lead to those of 127.0.0.1. Needs root and /dev/net/tun.
    """
    with own_network("192.0.2.1") as inside, ExitStack() as stack:
        device = inside(_device).result()
        stack.callback(os.close, device)
        listeners = [stack.enter_context(inside(lambda at=port: _listener(at)).result()) for port in ports]
        numbers = (f"{listener.fileno()}:{port}" for listener, port in zip(listeners, ports, strict=True))
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(round_trip / 2), str(device), *numbers],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[device, *(listener.fileno() for listener in listeners)],
        )
        with process:
            assert process.stdout
            assert process.stdout.readline() == b"ready\n"
            yield lambda function: inside(function).result()
            process.kill()


def can_be_far() -> bool:
    """Whether this process may make such a network."""
    try:
        with own_network("192.0.2.1") as inside:
            os.close(inside(_device).result())
    except (OSError, AttributeError):
        return False
    return True


def _listener(port: int) -> socket.socket:
    return socket.create_server((NEAR, port))


def _device() -> int:
    device = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", _DEVICE, IFF_TUN | IFF_NO_PI))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for request, address in ((SIOCSIFADDR, NEAR), (SIOCSIFNETMASK, "255.255.255.0")):
            wanted = struct.pack("16sHH4s8x", _DEVICE, socket.AF_INET, 0, socket.inet_aton(address))
            fcntl.ioctl(any_socket, request, wanted)
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", _DEVICE, UP_AND_RUNNING))
    return device


def _hold(device: int, seconds: float) -> None:
    """Give each packet back after these seconds."""
    held: list[tuple[float, bytes]] = []
    while True:
        wait = max(0.0, held[0][0] - time.monotonic()) if held else None
        if select.select([device], [], [], wait)[0]:
            packet = os.read(device, 65536)
            if packet[0] >> 4 == 4:
                heapq.heappush(held, (time.monotonic() + seconds, _exchanged(packet)))
        while held and held[0][0] <= time.monotonic():
            os.write(device, heapq.heappop(held)[1])


def _exchanged(packet: bytes) -> bytes:
    return packet[:12] + packet[16:20] + packet[12:16] + packet[20:]


def _accept(listener: socket.socket, port: int) -> None:
    while True:
        near, _ = listener.accept()
        near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_relay, args=(near, port), daemon=True).start()


def _relay(near: socket.socket, port: int) -> None:
    with near, suppress(OSError), socket.create_connection((LOCAL, port)) as server:
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        other = {near: server, server: near}
        while True:
            for source in select.select([near, server], [], [])[0]:
                data = source.recv(65536)
                if not data:
                    return
                other[source].sendall(data)


def main(seconds: str, device: str, *listeners: str) -> None:
    """Hold the packets until the process is killed, or its parent has ended."""
    with suppress(OSError):
        os.nice(-10)
    for listener, _, port in (each.partition(":") for each in listeners):
        accepting = socket.socket(fileno=int(listener))
        threading.Thread(target=_accept, args=(accepting, int(port)), daemon=True).start()
    threading.Thread(target=_hold, args=(int(device), float(seconds)), daemon=True).start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
