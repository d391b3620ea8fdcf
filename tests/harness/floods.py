"""Servers that send a gigabyte, as fast as it is read: scripts of their replies, by protocol.

A script gets the connection, reads what it must, and yields the bytes to send.
"""

import re
import socket
import struct
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from itertools import chain, pairwise, repeat

from websockets.utils import accept_key

GIB = 2**30
Blocks = Iterator[bytes]
Script = Callable[[socket.socket], Blocks]


class Flood:
    """A behaviour for `faults.serving` that runs a script. ``offered`` counts bytes."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.offered = 0

    def __call__(self, connection: socket.socket) -> None:
        sent = 0
        for block in self.script(connection):
            self.offered += len(block)
            connection.sendall(block)
            sent += len(block)
            if sent > GIB:
                break
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass


def endless(unit: bytes, start: bytes = b"") -> Blocks:
    return chain([start], repeat(unit * max(1, 65536 // len(unit))))


def numbered(form: str, count: int) -> Blocks:
    for first in range(0, count, 1000):
        yield "".join(form.format(number) for number in range(first, min(first + 1000, count))).encode()


def after(bytes_read: int, replies: Callable[[], Blocks]) -> Script:
    """Sends these replies after the first message of the client."""

    def script(connection: socket.socket) -> Blocks:
        connection.recv(bytes_read)
        yield from replies()

    return script


# HTTP

JSON = b"Content-Type: application/json\r\n"
OK = b"HTTP/1.1 200 OK\r\n" + JSON
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
DEEP = 100_000


def bomb(name: str) -> bytes:
    """A gigabyte of zeros, compressed."""
    if name == "zstd":  # a frame without a size, in blocks of one byte that is repeated 128 KiB times
        block = ((2**17 << 3) | 2).to_bytes(3, "little") + b" "
        return b"\x28\xb5\x2f\xfd\x00\x38" + block * 8192
    packer = zlib.compressobj(9, wbits=31 if name == "gzip" else 15)
    start = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return start + (packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)) * 1023


def with_length(body: bytes, head: bytes = OK) -> Blocks:
    yield head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def encoded(name: str) -> Callable[[], Blocks]:
    return lambda: with_length(bomb(name), OK + f"Content-Encoding: {name}\r\n".encode())


HTTP: Mapping[str, Callable[[], Blocks]] = {
    "a body without end": lambda: endless(b"0,", OK + b"\r\n["),
    "a body of a gigabyte, declared": lambda: endless(b"0,", OK + b"Content-Length: %d\r\n\r\n[" % GIB),
    "an error's text without end": lambda: endless(b"x", b"HTTP/1.1 500 Oops\r\nContent-Type: text/plain\r\n\r\n"),
    "a refusal without end": lambda: endless(b"x", b"HTTP/1.1 403 No\r\n" + JSON + b'\r\n{"message":"'),
    "a chunk of a gigabyte": lambda: endless(b"0,", CHUNKED + b"40000000\r\n["),
    "chunks of one byte": lambda: endless(b"1\r\n0\r\n", CHUNKED),
    "a chunk's extension without end": lambda: endless(b"x", CHUNKED + b"1;"),
    "trailers without end": lambda: endless(b"X: x\r\n", CHUNKED + b"2\r\n{}\r\n0\r\n"),
    "100,000 headers": lambda: chain([OK], numbered("X-{}: x\r\n", 100_000), [b"Content-Length: 2\r\n\r\n{}"]),
    "a header of a gigabyte": lambda: endless(b"x", OK + b"X: "),
    "a status line of a gigabyte": lambda: endless(b"x", b"HTTP/1.1 200 "),
    "100 Continue without end": lambda: endless(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a gzip bomb": encoded("gzip"),
    "a deflate bomb": encoded("deflate"),
    "a zstd bomb": encoded("zstd"),
    "arrays in arrays": lambda: with_length(b"[" * DEEP + b"]" * DEEP),
    "objects in objects": lambda: with_length(b'{"a":' * (DEEP // 4) + b"0" + b"}" * (DEEP // 4)),
    "a number of 200,000 digits": lambda: with_length(b'{"ok":' + b"9" * 200_000 + b"}"),
    "as many digits as fit": lambda: with_length(b"[" + b",".join([b"9" * 4300] * 58) + b"]"),
    "a number beyond all": lambda: with_length(b'{"ok":1e999,"code":-1e999,"title":NaN}'),
    "as many objects as fit": lambda: with_length(b"[" + b"{}," * 87_000 + b"{}]"),
}


def http(reply: Callable[[], Blocks]) -> Script:
    return after(65536, reply)


OVER_HTTP: Mapping[str, Script] = {what: http(reply) for what, reply in HTTP.items()}
SHARED_OVER_HTTP = {
    what: OVER_HTTP[what]
    for what in ("a body without end", "a header of a gigabyte", "a gzip bomb", "arrays in arrays")
}
"""For kinds whose HTTP is the shared function, which is attacked in full once."""


def frame(connection: socket.socket) -> Blocks:
    """Opens the WebSocket, and sends a frame of a gigabyte through it."""
    if key := re.search(rb"(?i)sec-websocket-key: *(\S+)", connection.recv(65536)):
        accepted = accept_key(key[1].decode()).encode()
        upgraded = b"HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: " + accepted
        yield from endless(b"x", upgraded + b"\r\n\r\n\x82\x7f" + struct.pack("!Q", GIB))


# S3, in XML

XML = b"HTTP/1.1 403 No\r\nContent-Type: application/xml\r\n"


def entities(levels: int) -> bytes:
    """Entities of which each is ten times the one before."""
    names = [f"l{level}" for level in range(levels)]
    lines = [f'<!ENTITY {name} "{f"&{before};" * 10}">' for before, name in pairwise(names)]
    text = f'<?xml version="1.0"?><!DOCTYPE e [<!ENTITY l0 "lol">{"".join(lines)}]>'
    return f"{text}<Error><Code>&{names[-1]};</Code></Error>".encode()


S3: Mapping[str, Callable[[], Blocks]] = {
    "a billion laughs": lambda: with_length(entities(11), XML),
    "an entity of 100 KB, 2,000 times": lambda: with_length(
        b'<!DOCTYPE e [<!ENTITY l "' + b"l" * 100_000 + b'">]><Error><Code>' + b"&l;" * 2000 + b"</Code></Error>", XML
    ),
    "elements in elements": lambda: with_length(b"<Error>" + b"<a>" * 30_000 + b"</a>" * 30_000 + b"</Error>", XML),
    "as many elements as fit": lambda: with_length(b"<Error>" + b"<a/>" * 60_000 + b"</Error>", XML),
    "30,000 attributes of 120 KB, by default": lambda: with_length(
        b'<!DOCTYPE Error [<!ATTLIST a b CDATA "' + b"X" * 122_880 + b'">]><Error>' + b"<a/>" * 30_000 + b"</Error>",
        XML,
    ),
    "10,000 names in a namespace of 120 KB": lambda: with_length(
        b'<Error xmlns:p="' + b"X" * 122_880 + b'">' + b"".join(map(b"<p:a%d/>".__mod__, range(10_000))) + b"</Error>",
        XML,
    ),
    "an error in XML without end": lambda: endless(b"x", XML + b"\r\n<Error><Code>"),
}


# Valkey

WRITTEN = b"+OK\r\n$1\r\nx\r\n" + b":1\r\n" * 5 + b"$1\r\nx\r\n:1\r\n"  # the replies to what comes before INFO
RESP: Mapping[str, Callable[[], Blocks]] = {
    "a string of a gigabyte": lambda: endless(b"x", b"$%d\r\n" % GIB),
    "an error without end": lambda: endless(b"x", b"-ERR "),
    "a status without end": lambda: endless(b"x", b"+"),
    "a number without end": lambda: endless(b"9", b":"),
    "an array of a billion": lambda: endless(b"+x\r\n", b"*1000000000\r\n"),
    "arrays in arrays": lambda: endless(b"*1\r\n"),
    "a report of a gigabyte": lambda: endless(b"x", WRITTEN + b"$%d\r\n" % GIB),
    "a report of many lines": lambda: chain([WRITTEN + b"$9900000\r\n"], numbered("{:07}:0\r\n", 900_000)),
    "replies without end": lambda: endless(b"+OK\r\n"),
    "RESP3 that nobody asked for": lambda: endless(b">1\r\n+x\r\n"),
}


# SMTP

GREETING = b"220 mail.test\r\n"


def smtp(**replies: Callable[[], Blocks]) -> Script:
    """A mail server, with these replies in place of its own."""
    correct = {"ehlo": b"250-mail.test\r\n250 AUTH PLAIN\r\n", "auth": b"235 ok\r\n"}

    def script(connection: socket.socket) -> Blocks:
        yield from replies.get("greeting", lambda: iter([GREETING]))()
        while received := connection.recv(4096):
            word = received[:4].decode(errors="replace").lower()
            yield from replies.get(word, lambda: iter([correct.get(word, b"250 ok\r\n")]))()  # noqa: B023

    return script


def _unasked(connection: socket.socket) -> Blocks:
    yield GREETING
    yield from endless(b"250 ok\r\n")


SMTP: Mapping[str, Script] = {
    "a greeting without end": smtp(greeting=lambda: endless(b"x", b"220 ")),
    "a greeting of lines without end": smtp(greeting=lambda: endless(b"220-x\r\n")),
    "EHLO answered without end": smtp(ehlo=lambda: endless(b"250-X\r\n")),
    "EHLO answered in one line without end": smtp(ehlo=lambda: endless(b"x", b"250 ")),
    "a refusal without end": smtp(mail=lambda: endless(b"x", b"550 ")),
    "a refusal of lines without end": smtp(mail=lambda: endless(b"550-x\r\n")),
    "a challenge without end": smtp(auth=lambda: endless(b"eA", b"334 ")),
    "replies without end": _unasked,
}


# TLS, in its handshake

TLS: Mapping[str, Script] = {
    "a ServerHello of 16 MiB": after(
        4096, lambda: endless(b"\x16\x03\x03\x40\0" + b"x" * 16384, b"\x16\x03\x03\0\4\2\xff\xff\xff")
    ),
    "alerts without end": after(4096, lambda: endless(b"\x15\x03\x03\0\2\1\x5a")),
    "records of nothing": after(4096, lambda: endless(b"\x16\x03\x03\0\0")),
}


# Postgres

READY = b"Z\0\0\0\5I"
DESCRIBED = b"T\0\0\0\x1a\0\1a\0" + bytes(6) + b"\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0"


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


ADMITTED = message(b"R", bytes(4)) + message(b"S", b"server_version\x0017.2\0") + message(b"K", bytes(8)) + READY


def at_login(replies: Callable[[], Blocks]) -> Script:
    return after(4096, replies)


def at_query(replies: Callable[[], Blocks]) -> Script:
    def script(connection: socket.socket) -> Blocks:
        connection.recv(4096)
        yield ADMITTED
        connection.recv(65536)
        yield from replies()

    return script


def scram(rounds: int) -> Script:
    """Requests a password that is hashed so many times."""

    def script(connection: socket.socket) -> Blocks:
        connection.recv(4096)
        yield message(b"R", struct.pack("!I", 10) + b"SCRAM-SHA-256\0\0")
        nonce = connection.recv(4096).rpartition(b"r=")[2]
        first = b"r=%sx,s=%s,i=%d" % (nonce, b64encode(bytes(16)), rounds)
        yield message(b"R", struct.pack("!I", 11) + first)
        connection.recv(4096)

    return script


NOTICE = message(b"N", b"SNOTICE\0C00000\0Mx\0\0")
ROW = message(b"D", b"\0\1\0\0\0\1x")
POSTGRES: Mapping[str, Script] = {
    "a row of a gigabyte": at_query(lambda: endless(b"x", DESCRIBED + b"D" + struct.pack("!IHI", GIB, 1, GIB - 10))),
    "rows without end": at_query(lambda: endless(ROW, DESCRIBED)),
    "a column's name of a gigabyte": at_query(lambda: endless(b"x", b"T" + struct.pack("!IH", GIB, 1))),
    "an error of a gigabyte": at_query(lambda: endless(b"x", b"E" + struct.pack("!I", GIB) + b"SERROR\0M")),
    "a refusal of a gigabyte": at_login(lambda: endless(b"x", b"E" + struct.pack("!I", GIB) + b"SFATAL\0M")),
    "a refusal without end, as before Postgres 7.4": at_login(lambda: endless(b"x", b"E")),
    "a notice of a gigabyte": at_query(lambda: endless(b"x", b"N" + struct.pack("!I", GIB) + b"SNOTICE\0M")),
    "notices without end": at_query(lambda: endless(NOTICE)),
    "notices without end, at login": at_login(lambda: endless(NOTICE)),
    "parameters without end": at_login(
        lambda: chain([message(b"R", bytes(4))], numbered("S\0\0\0\x0f{:08}\0x\0", 90_000_000))
    ),
    "notifications without end": at_query(lambda: endless(message(b"A", b"\0\0\0\1channel\0x\0"))),
    "ways to log in without end": at_login(lambda: endless(b"SCRAM-X\0", b"R" + struct.pack("!II", GIB, 10))),
    "a result in COPY": at_query(lambda: endless(message(b"d", b"x" * 60_000), message(b"H", b"\0\0\0"))),
    "two billion rounds of SCRAM": scram(2_000_000_000),
}
