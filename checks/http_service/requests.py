"""The requests to one of Mistle's services: GETs without effect."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from checks.core.recorder import Recorder
from checks.net.endpoint import Endpoint
from checks.net.http import Reply, request, together

TOKEN_HEADER = "x-mistle-service-token"  # noqa: S105 - the name of a header


async def get_all(record: Recorder, *targets: tuple[Endpoint, Mapping[str, str]]) -> list[Reply]:
    """The replies to GETs with these headers, all sent at once. Raises what ``request`` raises."""
    return await together(*(request(record, "GET", endpoint, headers=headers) for endpoint, headers in targets))


async def without_valid_token(record: Recorder, endpoint: Endpoint) -> dict[str, Reply]:
    """The replies to a request without a token, and to one with a wrong token."""
    none, wrong = await get_all(record, (endpoint, {}), (endpoint, {TOKEN_HEADER: secrets.token_hex(32)}))
    return {"no": none, "a wrong": wrong}


async def with_token(record: Recorder, endpoint: Endpoint, token: str) -> Reply:
    """The reply to a request with the token. Raises TimeoutError, UnicodeEncodeError, httpx' errors."""
    (reply,) = await get_all(record, (endpoint, {TOKEN_HEADER: token}))
    return reply
