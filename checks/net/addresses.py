"""The addresses of one host: which of them accept a connection, and why each of the others does not."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
from collections.abc import Mapping

from checks.core.text import bracketed

# Errors of this machine, not of an address.
MACHINE_LIMITS = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}
AT_ONCE = 32  # connections: a name may have thousands of addresses, and each connection takes a file descriptor
# Errors of connect(2) if this machine has no route to any address of the family.
_NO_ROUTE = {errno.ENETUNREACH, errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}


def is_address(host: str) -> bool:
    """Whether a host is an IP address, which no TLS handshake sends as a name."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


class ConnectFailed(Exception):
    """An address did not accept the connection; ``__cause__`` is the system's error."""

    def __init__(self, address: str, port: int) -> None:
        super().__init__(f"{address}:{port}")
        self.host = address
        self.is_ipv6 = ":" in address
        self.address = f"{bracketed(address)}:{port}"

    @property
    def has_no_route(self) -> bool:
        """Whether this machine has no route to the address. With IPv4, EADDRNOTAVAIL means that no port is free."""
        code = self.__cause__.errno if isinstance(self.__cause__, OSError) else None
        return code in _NO_ROUTE and (self.is_ipv6 or code != errno.EADDRNOTAVAIL)


async def connect(address: str, port: int, limit: float) -> None:
    """Open a connection and close it. Raises ConnectFailed, and OSError for an error of this machine."""
    try:
        async with asyncio.timeout(limit):
            _, writer = await asyncio.open_connection(address, port)
    except OSError as error:
        if error.errno in MACHINE_LIMITS:
            raise
        raise ConnectFailed(address, port) from error
    writer.transport.abort()


async def try_all(addresses: tuple[str, ...], port: int, limit: float, grace: float) -> dict[str, ConnectFailed | None]:
    """For each address, why it does not accept a connection; None if it does. Takes at most ``limit`` seconds.

    AT_ONCE are tried at the same time. When one accepts, the others have ``grace`` seconds left; an address that was
    not tried by then is not in the result. Raises OSError for an error of this machine.
    """
    slots, ends = asyncio.Semaphore(AT_ONCE), asyncio.get_running_loop().time() + limit
    outcomes: dict[str, ConnectFailed | None] = {}

    async def attempt(address: str) -> bool:
        async with slots:
            outcomes[address] = _timed_out(address, port)  # until the outcome replaces it
            outcomes[address] = await _try(address, port, ends - asyncio.get_running_loop().time())
        return outcomes[address] is None

    tries = [asyncio.create_task(attempt(address)) for address in addresses]
    try:
        for ended in asyncio.as_completed(tries):
            if await ended:
                break
        done, _ = await asyncio.wait(tries, timeout=grace)
        for each in done:
            each.result()  # raises an error of this machine
    finally:
        for each in tries:
            each.cancel()
    return {address: outcomes[address] for address in addresses if address in outcomes}


async def _try(address: str, port: int, limit: float) -> ConnectFailed | None:
    try:
        await connect(address, port, limit)
    except ConnectFailed as failure:
        return failure
    return None


def _timed_out(address: str, port: int) -> ConnectFailed:
    failure = ConnectFailed(address, port)
    failure.__cause__ = TimeoutError()
    return failure


def faulty(tries: Mapping[str, ConnectFailed | None]) -> list[ConnectFailed]:
    """The addresses that are at fault: not those of a family to which this machine has no route at all."""
    failed = [failure for failure in tries.values() if failure]
    families = {":" in address for address, failure in tries.items() if not (failure and failure.has_no_route)}
    return [failure for failure in failed if failure.is_ipv6 in families]
