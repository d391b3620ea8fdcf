"""The floor: the connections and first round trips of the same resources, from sockets alone.

usage: python -m benchmarks.floor mistle.toml
"""

import re
import socket
import struct
import sys

CONNECTION = re.compile(rb'"(\w+)://(?:[^@"]*@)?([\w.-]+):(\d+)')
HTTP = b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
_USER = b"user\0mistle\0\0"
STARTUP = struct.pack("!II", 8 + len(_USER), 196608) + _USER
REQUESTS = {
    b"postgres": STARTUP,
    b"redis": b"PING\r\n",
    b"http": HTTP,
    b"ws": HTTP,
}


def ask(scheme: bytes, host: str, port: int) -> None:
    with socket.create_connection((host, port), 5) as connection:
        connection.sendall(REQUESTS[scheme])
        connection.recv(4096)


def main(file: str) -> None:
    with open(file, "rb") as toml:  # noqa: PTH123 - pathlib would be an import more
        for scheme, host, port in CONNECTION.findall(toml.read()):
            if host == b"localhost" and scheme in REQUESTS:
                ask(scheme, host.decode(), int(port))


if __name__ == "__main__":
    main(sys.argv[1])
