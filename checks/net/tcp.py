"""The dns and connect layers of every check of the network: a name resolves, an address accepts."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass, replace
from typing import ClassVar

from checks.core.check import Check, Diagnosis, Layer
from checks.core.recorder import Recorder
from checks.core.threads import dead_addresses
from checks.net.addresses import ConnectFailed, faulty, try_all
from checks.net.distance import note_round_trip
from checks.net.network_errors import ADDRESS_UNREACHABLE, NO_SUCH_NAME, NoSuchName, diagnose
from checks.net.proxies import FromProxy

_MAX_SHOWN = 3  # addresses that do not work


async def reach(record: Recorder, host: str, port: int, fields: tuple[str, ...] = ("url",)) -> str:
    """The dns and connect layers, on every address of the host. Returns an address that accepts."""
    with record.layer(Layer.DNS, f"{host} resolves", proves=fields):
        addresses = await resolve(host, port)
    return await connect_any(record, host, addresses, port, fields)


async def connect_any(
    record: Recorder, host: str, addresses: tuple[str, ...], port: int, fields: tuple[str, ...]
) -> str:
    """The connect layer, on every address of the host. Returns one that accepts."""
    with record.layer(Layer.CONNECT, f"{host}:{port} accepts connections", proves=fields):
        # The grace is longer than the second after which a lost packet is retransmitted.
        tries = await try_all(addresses, port, record.share_of_time(0.4), grace=record.share_of_time(0.15))
        note_round_trip(record)
        return _first_working(record, host, tries, len(addresses))
    raise AssertionError("a failed layer ends the check")


async def resolve(host: str, port: int) -> tuple[str, ...]:
    """Every address of the host, in the system's order. Raises NoSuchName, socket.gaierror and MemoryError."""
    try:
        entries = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # a label that is empty or longer than 63 characters
        raise NoSuchName(f"{host} is not a host name that can be looked up") from error
    except socket.gaierror as error:
        if error.errno in NO_SUCH_NAME:
            raise NoSuchName(f"{host} does not resolve: no such host") from error
        if error.errno == socket.EAI_MEMORY:
            raise MemoryError(error.strerror) from error
        raise
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in entries))


def _first_working(record: Recorder, host: str, tries: dict[str, ConnectFailed | None], total: int) -> str:
    dead = [failure for failure in tries.values() if failure]
    dead_addresses().update(failure.host for failure in dead)
    working = next((address for address, failure in tries.items() if not failure), None)
    at_fault = faulty(tries)
    if working is None:
        raise (at_fault or dead)[0]
    if at_fault:
        record.note(ADDRESS_UNREACHABLE.diagnosis(f"{_summary(host, at_fault, total)}; {working} works"))
    return working


def _summary(host: str, failures: list[ConnectFailed], total: int) -> str:
    """What is wrong with one address, or with the first of many."""
    shown = ", ".join(getattr(diagnose(failure), "message", str(failure)) for failure in failures[:_MAX_SHOWN])
    if len(failures) == 1:
        return shown
    more = f", and {len(failures) - _MAX_SHOWN} more" if len(failures) > _MAX_SHOWN else ""
    return f"{len(failures)} of {host}'s {total} addresses do not work: {shown}{more}"


@dataclass(frozen=True, kw_only=True)
class NetworkCheck(Check):
    """A check of a server at a host and port; ``address`` names the fields that hold them."""

    address: ClassVar[tuple[str, ...]] = ("url",)
    over_http: ClassVar[bool] = False  # a proxy may reply in the server's name

    def diagnose(self, error: Exception) -> Diagnosis | None:
        """Network and TLS errors blame the fields that hold the address."""
        diagnosis = error.diagnosis if isinstance(error, FromProxy) else diagnose(error)
        if diagnosis is None or diagnosis.blames is not None:
            return diagnosis
        return replace(diagnosis, blames=self.address)
