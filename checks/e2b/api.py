"""E2B's API: its own package writes the requests and reads the replies, and checks.net.http carries them."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import TypeVar

import httpx
from e2b import AuthenticationException, ConnectionConfig, RateLimitException
from e2b.api import AsyncApiClient, handle_api_exception
from e2b.api.client.api.sandboxes import get_v2_sandboxes
from e2b.api.client.api.templates import get_templates_aliases_alias
from e2b.api.client.models import Error, TemplateAliasResponse
from e2b.api.client.types import Response

from checks.core.recorder import Recorder
from checks.core.text import foreign
from checks.e2b import causes
from checks.net import http
from checks.net.http import Endpoint, UnexpectedReply

T = TypeVar("T")
Rejected, Busy = AuthenticationException, RateLimitException
BUILT, FOREIGN, MISSING = 200, 403, 404


class Blocked(Exception):
    """The key's team is refused everything, in the server's words."""


class Api:
    """The calls that a check makes. Each raises Rejected, Busy, Blocked, UnexpectedReply, and what net.http raises."""

    def __init__(self, record: Recorder, endpoint: Endpoint, key: str) -> None:
        config = ConnectionConfig(api_key=key, api_url=str(endpoint), debug=False)
        self._client = AsyncApiClient(config, transport=_Transport(record, endpoint))

    async def template(self, alias: str) -> int:
        """BUILT, FOREIGN or MISSING."""
        reply = await _parsed(lambda: get_templates_aliases_alias.asyncio_detailed(alias, client=self._client))
        match reply.status_code, reply.parsed:
            case (200, TemplateAliasResponse(template_id=str(), public=bool())) | (404, Error(message=str())):
                return int(reply.status_code)
            case 403, Error(message=str()):
                await self._raise_block()
                return FOREIGN
        raise _refusal(reply)

    async def _raise_block(self) -> None:
        """A blocked team gets the same 403 for everything; a foreign template concerns itself alone."""
        reply = await _parsed(lambda: get_v2_sandboxes.asyncio_detailed(client=self._client, limit=1))
        if reply.status_code == 403:
            raise Blocked(str(_refusal(reply)))
        if reply.status_code != 200:
            raise _refusal(reply)


class _Transport(httpx.AsyncBaseTransport):
    """The package's own one looks names up by itself, trusts other roots, tries again, and reads without end."""

    def __init__(self, record: Recorder, endpoint: Endpoint) -> None:
        self._record, self._endpoint = record, endpoint

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        headers = {name: value for name, value in request.headers.items() if name != "accept-encoding"}
        place = Endpoint(self._endpoint.scheme, self._endpoint.host, self._endpoint.port, request.url.raw_path.decode())
        reply = await http.request(self._record, request.method, place, headers=headers)
        return httpx.Response(reply.status, content=reply.body)


async def _parsed(call: Callable[[], Awaitable[Response[T]]]) -> Response[T]:
    """The package checks no types: a strange reply shows as whatever its code stumbles over."""
    try:
        return await call()
    except UnicodeEncodeError:  # the key, on its way out
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UnexpectedReply(causes.UNEXPECTED_REPLY, "the answer is none that E2B's API documents") from error


def _refusal(reply: Response[T]) -> Exception:
    try:
        body = json.loads(reply.content)
    except (ValueError, RecursionError):
        body = None
    match body:
        case {"code": int(), "message": str(words)}:
            error, said = handle_api_exception(reply), f"{int(reply.status_code)}: {words}"  # its words are the SDK's
            if isinstance(error, Rejected | Busy):
                return type(error)(said)
            return UnexpectedReply(causes.UNEXPECTED_REPLY, f"E2B answers {foreign(said)}")
    return UnexpectedReply(causes.UNEXPECTED_REPLY, f"the answer is {int(reply.status_code)}, without E2B's own words")
