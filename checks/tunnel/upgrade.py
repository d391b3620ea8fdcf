"""One request for a WebSocket. Nothing is sent over it."""

from __future__ import annotations

import logging
import time
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake, InvalidStatus

from checks.core.recorder import Recorder
from checks.net.endpoint import Endpoint
from checks.net.http import Reply, raise_if_http2, raise_if_not_http, raise_if_tls
from checks.net.proxies import raise_if_certificate_is_required

_NO_LOG = logging.Logger("tunnel", logging.CRITICAL)  # the URL, which it would log, holds a token


class _Connect(connect):
    """Follows no redirect, as no browser does."""

    def process_redirect(self, exc: Exception) -> Exception:
        return exc


async def upgrade(record: Recorder, endpoint: Endpoint) -> Reply:
    """The reply, within most of what is left of the check's time. A tunnel that opens is closed at once.

    Raises TlsOnPlaintext, NotHttp, FromProxy, TimeoutError, the system's errors, and InvalidHandshake for a malformed
    reply.
    """
    started = time.monotonic()
    try:
        return await _handshake(record, endpoint)
    except InvalidStatus as error:
        record.replied(started)
        response = error.response
        if response.status_code == 400:
            await raise_if_tls(record, endpoint, error)
        headers = {name.lower(): value for name, value in response.headers.raw_items()}
        reply = Reply(response.status_code, headers, bytes(response.body or b""))
        if endpoint.tls:
            raise_if_certificate_is_required(reply)
        return reply
    except TimeoutError as error:
        await raise_if_not_http(record, endpoint, error)
        raise
    except (InvalidHandshake, ConnectionError) as error:
        await raise_if_tls(record, endpoint, error)
        await raise_if_http2(record, endpoint, error)
        raise


async def _handshake(record: Recorder, endpoint: Endpoint) -> Reply:
    tls: dict[str, Any] = (
        {"ssl": record.settings.trust.verified, "server_hostname": endpoint.host.rstrip(".")} if endpoint.tls else {}
    )
    tunnel = await _Connect(
        str(endpoint),
        compression=None,
        user_agent_header="mistle-preflight",
        proxy=None,
        open_timeout=record.share_of_time(0.7),
        ping_interval=None,
        max_size=1,
        logger=_NO_LOG,
        **tls,
    )
    tunnel.transport.abort()
    return Reply(101, {}, b"")
