"""The addresses of one host: which of them accept a connection, and what each of the others says."""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# What this machine lacks, whatever the address is.
MACHINE_LIMITS = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}
AT_ONCE = 32  # connections: a name may have thousands of addresses, and each connection takes a file descriptor
# What connect(2) says where this machine has no way at all into the address's family.
_NO_WAY = {errno.ENETUNREACH, errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}


class ConnectFailed(Exception):
    """An address did not accept; the cause is the error that the system gave."""

    def __init__(self, address: str, port: int) -> None:
        super().__init__(f"{address}:{port}")
        self.host = address
        self.is_ipv6 = ":" in address
        self.address = f"[{address}]:{port}" if self.is_ipv6 else f"{address}:{port}"

    @property
    def has_no_way(self) -> bool:
        """Whether this machine knows no way to the address. On IPv4, EADDRNOTAVAIL means that no port is free."""
        code = self.__cause__.errno if isinstance(self.__cause__, OSError) else None
        return code in _NO_WAY and (self.is_ipv6 or code != errno.EADDRNOTAVAIL)


async def connect(address: str, port: int, limit: float) -> None:
    """Open a connection and close it; ConnectFailed names the address."""
    try:
        async with asyncio.timeout(limit):
            _, writer = await asyncio.open_connection(address, port)
    except OSError as error:
        if error.errno in MACHINE_LIMITS:
            raise
        raise ConnectFailed(address, port) from error
    writer.transport.abort()


async def try_all(addresses: tuple[str, ...], port: int, limit: float, grace: float) -> dict[str, ConnectFailed | None]:
    """Why each address does not accept; None where it does. A few are tried at once, all within ``limit`` seconds.

    Once one accepts, the others have ``grace`` seconds more; an address whose turn has not come by then is left out.
    """
    turn, ends = asyncio.Semaphore(AT_ONCE), asyncio.get_running_loop().time() + limit
    tried: dict[str, ConnectFailed | None] = {}

    async def attempt(address: str) -> bool:
        async with turn:
            tried[address] = _late(address, port)  # unless something better is known
            tried[address] = await _try(address, port, ends - asyncio.get_running_loop().time())
        return tried[address] is None

    tries = [asyncio.create_task(attempt(address)) for address in addresses]
    try:
        for ended in asyncio.as_completed(tries):
            if await ended:
                break
        done, _ = await asyncio.wait(tries, timeout=grace)
        for each in done:
            each.result()  # raises what is not the address's fault
    finally:
        for each in tries:
            each.cancel()
    return {address: tried[address] for address in addresses if address in tried}


async def _try(address: str, port: int, limit: float) -> ConnectFailed | None:
    try:
        await connect(address, port, limit)
    except ConnectFailed as failure:
        return failure
    return None


def _late(address: str, port: int) -> ConnectFailed:
    failure = ConnectFailed(address, port)
    failure.__cause__ = TimeoutError()
    return failure


def faulty(tries: Mapping[str, ConnectFailed | None]) -> list[ConnectFailed]:
    """The addresses that are at fault themselves: not those of a family into which this machine has no way at all."""
    failed = [failure for failure in tries.values() if failure]
    families = {":" in address for address, failure in tries.items() if not (failure and failure.has_no_way)}
    return [failure for failure in failed if failure.is_ipv6 in families]
