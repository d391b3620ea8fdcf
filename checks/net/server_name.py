"""The name that Mistle's client sends in a TLS handshake, where it is not the one that the certificate is verified for.

Node.js verifies a host name without the dot at its end, and sends it with the dot. node-redis sends no name at all.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from checks.core.text import foreign
from checks.net.tls_errors import NameRefused

if TYPE_CHECKING:
    Upgrade = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def try_name(  # noqa: PLR0913, PLR0917 - what a handshake depends on
    context: ssl.SSLContext,
    host: str,
    sent: str | None,
    address: tuple[str, int],
    limit: float,
    upgrade: Upgrade | None = None,
) -> None:
    """One handshake in which the name ``sent`` is sent (None: no name), after one with ``host`` that succeeded.

    ``context`` does not compare names. Raises NameRefused if the server refuses the name, or shows a certificate for
    another host.
    """
    try:
        async with asyncio.timeout(limit):
            certificate = await _certificate(context, sent, address, upgrade)
    except ssl.SSLCertVerificationError as error:
        raise NameRefused(
            sent, f"shows another certificate, which is refused: {foreign(error.verify_message)}"
        ) from error
    except ssl.SSLError as error:
        reason = foreign((error.reason or "no reason given").lower().replace("_", " "))
        raise NameRefused(sent, f"refuses the handshake: {reason}") from error
    except TimeoutError as error:
        raise NameRefused(sent, "sends no reply") from error
    except (OSError, EOFError) as error:
        raise NameRefused(sent, "closes the connection") from error
    if certificate and not _is_for(certificate, host):
        others = foreign(", ".join(_names(certificate)), 120)
        raise NameRefused(sent, f"shows a certificate for other names: {others}")


async def _certificate(
    context: ssl.SSLContext, sent: str | None, address: tuple[str, int], upgrade: Upgrade | None
) -> dict[str, Any]:
    reader, writer = await asyncio.open_connection(*address)
    try:
        if upgrade:
            await upgrade(reader, writer)
        await writer.start_tls(context, server_hostname=sent or "")
        return writer.get_extra_info("peercert") or {}
    finally:
        writer.transport.abort()


def _names(certificate: dict[str, Any]) -> list[str]:
    return [name for kind, name in certificate.get("subjectAltName", ()) if kind == "DNS"]


def _is_for(certificate: dict[str, Any], host: str) -> bool:
    """Whether a verified certificate holds the name, as ``tls.checkServerIdentity`` compares them."""
    wanted = _labels(host)
    return any(_matches(_labels(name), wanted) for name in _names(certificate))


def _labels(name: str) -> list[str]:
    return name.lower().removesuffix(".").split(".")


def _matches(held: list[str], wanted: list[str]) -> bool:
    return held == wanted or (held[0] == "*" and len(held) > 2 and held[1:] == wanted[1:])
