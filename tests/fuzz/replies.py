"""Random changes of replies: `python -m tests.fuzz.replies SECONDS [KIND ...]`, or `… KIND SEED` to repeat one.

Servers of every kind reply as healthy and as refusing ones do, with bytes, numbers, lines and lengths changed at
random. The seed decides which server replies, and what is changed. No reply may cause a bug of the tool, or delay it.
"""

import random
import re
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace

from checks.core.check import Check
from checks.core.recorder import Settings
from checks.core.roots import Trust
from preflight.report.result import Result
from preflight.run.runner import run
from tests.harness import answers
from tests.harness.descriptors import TARGETS
from tests.harness.faults import Behaviour
from tests.harness.run_check import planned
from tests.harness.targets import check_at_server

LIMIT = 1.5  # seconds for one check: a server that stops replying costs all of it
MOST = 15.0  # seconds of processor time for one run, which takes one or two
TOGETHER = 8  # servers of each kind in one run
_ODD = (
    *(b"\0", b"\xff", b"\xc3", b"\r\n", b"\r\n\r\n", b"\n", b" ", b":", b"-", b"+", b"$", b"*", b"%", b"[", b"]", b"{"),
    *(b"}", b"<", b">", b"&", b'"', b"null", b"-1", b"0", b"1e999", b"NaN", b"9" * 400, b"9" * 5000, b"[" * 3000),
    *(
        b"Transfer-Encoding: chunked\r\n",
        b"Content-Encoding: gzip\r\n",
        b"Content-Length: -1\r\n",
        b"Location: http://[",
    ),
    *(
        b"Content-Length: 9\r\n",
        b"Date: Mon, 01 Jan 0001 00:00:00 +99999999999999\r\n",
        b"Content-Type: x; charset=x\r\n",
    ),
    *(b"x-amz-checksum-crc32: AAAA\r\n", b"x-amz-checksum-type: FULL_OBJECT\r\n", b"Set-Cookie: \xff=\0\r\n"),
    *(b"x-amz-object-lock-retain-until-date: 1e999\r\n", b"Last-Modified: x\r\n", b"<a/><a/>", b":1\r\n", b"$-1\r\n"),
    *(b"*1\r\n:1\r\n", b"*-1\r\n", b'[{"a":[null]}]', b'{"message":{}}', b"334 !\r\n", b"-1 x\r\n"),
    *(b"<?xml version='1.0' encoding='cp037'?>", b"<!DOCTYPE a>", b"xmlns:a=''", b"\xef\xbb\xbf", b"\xff\xfe"),
)


SERVERS: Mapping[str, Sequence[Behaviour]] = {
    kind: target.servers or [answers.http(target.replies, {})] for kind, target in TARGETS.items()
}


@dataclass
class Mutating:
    """A connection that changes some of the bytes that are sent through it."""

    connection: socket.socket
    chance: random.Random

    def sendall(self, data: bytes) -> None:
        self.connection.sendall(changed(data, self.chance) if self.chance.random() < 0.5 else data)

    def __getattr__(self, name: str) -> object:
        return getattr(self.connection, name)


def changed(data: bytes, chance: random.Random) -> bytes:
    """One to four changes."""
    for _ in range(chance.choice((1, 1, 2, 4))):
        data = chance.choice(_CHANGES)(data, chance)
    return _measured(data) if chance.random() < 0.7 else data


def _range(data: bytes, chance: random.Random) -> tuple[int, int]:
    start = chance.randrange(len(data) + 1)
    return start, min(len(data), start + chance.choice((0, 1, 1, 4, 16)))


def _flip(data: bytes, chance: random.Random) -> bytes:
    start, _ = _range(data, chance)
    return data[:start] + bytes([chance.randrange(256)]) + data[start + 1 :]


def _insert(data: bytes, chance: random.Random) -> bytes:
    start, end = _range(data, chance)
    return data[:start] + chance.choice(_ODD) + data[end:]


def _drop(data: bytes, chance: random.Random) -> bytes:
    start, end = _range(data, chance)
    return data[:start] + data[end:]


def _cut(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def _again(data: bytes, chance: random.Random) -> bytes:
    start, end = _range(data, chance)
    return data[:end] + data[start:end] * chance.choice((1, 100)) + data[end:]


def _token(data: bytes, chance: random.Random) -> bytes:
    """Replace a number or a word by another, or by an odd value."""
    tokens = list(re.finditer(rb"\d+|[A-Za-z_-]+", data))
    if not tokens:
        return data
    one, other = chance.choice(tokens), chance.choice(tokens)[0]
    return data[: one.start()] + chance.choice((other, *_ODD)) + data[one.end() :]


def _line(data: bytes, chance: random.Random) -> bytes:
    """Remove, repeat or replace a line."""
    lines = data.split(b"\r\n")
    at = chance.randrange(len(lines))
    lines[at : at + 1] = chance.choice(([], [lines[at]] * 2, [chance.choice(_ODD).strip()], [chance.choice(lines)]))
    return b"\r\n".join(lines)


_CHANGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _flip,
    _insert,
    _drop,
    _cut,
    _again,
    _token,
    _line,
    _token,
)


def _measured(data: bytes) -> bytes:
    """Correct Content-Length in HTTP, so that the changed body is read."""
    head, end, body = data.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/"):
        return data
    return re.sub(rb"(?i)(content-length: )\d+", rb"\g<1>%d" % len(body), head) + end + body


def _check(stack: ExitStack, kind: str, seed: int) -> Check:
    chance = random.Random(seed)
    behaviour = chance.choice(SERVERS[kind])

    def serve(connection: socket.socket) -> None:
        with suppress(Exception):  # a changed reply may lead to requests that this server cannot reply to
            behaviour(Mutating(connection, chance))  # type: ignore[arg-type]

    check = stack.enter_context(check_at_server(kind, serve))
    return replace(planned(check.name, check.values), name=f"{kind} {seed}", **check.options)


def search(kinds: Sequence[str], seeds: Sequence[int]) -> tuple[tuple[Result, ...], list[str]]:
    """The results of each kind at a server for each seed; and the bugs and delays, of which there must be none."""
    with ExitStack() as stack:
        made = tuple(_check(stack, kind, seed) for kind in kinds for seed in seeds)
        started = time.process_time()
        settings = Settings(Trust(), LIMIT, read_only=seeds[0] // TOGETHER % 2 == 1)
        done = run(made, settings, deadline=LIMIT + 30, origins={})
    busy = time.process_time() - started  # a check that blocks the interpreter blocks all checks
    late = [f"{kinds[0]} {seeds[0]}: {busy:.0f} s of the processor for {len(made)} checks"] if busy > MOST else []
    bugs = [result.name for result in done.results if "internal.bug" in {finding.id for finding in result.findings}]
    traces = [text for text in done.bugs if text.split(":")[0] in bugs]
    return done.results, late + traces


def main(seconds: float, kinds: Sequence[str]) -> int:
    """The number of different bugs and delays in so many seconds; each is printed once."""
    ends, count, known = time.monotonic() + seconds, 0, set[str]()
    first = random.SystemRandom().randrange(2**48) * TOGETHER
    while time.monotonic() < ends:
        results, bad = search(kinds, range(first + count, first + count + TOGETHER))
        count += len(results)
        for text in bad:
            if (end := "\n".join(text.splitlines()[-4:])) not in known:
                known.add(end)
                print(text, flush=True)  # noqa: T201
    print(f"replies: {count} checks, {len(known)} bad ends")  # noqa: T201
    return len(known)


if __name__ == "__main__":
    match sys.argv[1:]:
        case [kind, seed] if kind in TARGETS:
            results, bad = search([kind], [int(seed)])
            print(*results, *bad, sep="\n")  # noqa: T201
        case [seconds, *kinds]:
            sys.exit(min(1, main(float(seconds), kinds or list(SERVERS))))
