"""What is asked of one of Mistle's services: GET requests without effect."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING

from checks.net.http import Endpoint, Reply, request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from checks.core.recorder import Recorder

_TOKEN = "x-mistle-service-token"  # noqa: S105 - the name of a header


async def ask(record: Recorder, *questions: tuple[Endpoint, Mapping[str, str]]) -> list[Reply]:
    """The replies to GETs with these headers, all asked at once. Raises what ``request`` raises."""
    requests = (request(record, "GET", endpoint, headers=headers) for endpoint, headers in questions)
    answers = await asyncio.gather(*requests, return_exceptions=True)
    return [_reply(answer) for answer in answers]


async def without_valid_token(record: Recorder, endpoint: Endpoint) -> dict[str, Reply]:
    """What the endpoint says to whoever shows no token, and to whoever shows a wrong one."""
    none, wrong = await ask(record, (endpoint, {}), (endpoint, {_TOKEN: secrets.token_hex(32)}))
    return {"no": none, "a wrong": wrong}


async def with_token(record: Recorder, endpoint: Endpoint, token: str) -> Reply:
    """What the endpoint says to whoever shows the token. Raises TimeoutError, UnicodeEncodeError, httpx' errors."""
    (reply,) = await ask(record, (endpoint, {_TOKEN: token}))
    return reply


def _reply(answer: Reply | BaseException) -> Reply:
    if isinstance(answer, BaseException):
        raise answer
    return answer
