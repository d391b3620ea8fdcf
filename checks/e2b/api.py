"""E2B's API: the e2b package builds the requests and parses the replies; checks.net.http sends and receives them."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
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
from checks.net.endpoint import Endpoint
from checks.net.http import UnexpectedReply
from checks.net.proxies import raise_if_proxys

T = TypeVar("T")
_CAUSES = {AuthenticationException: causes.KEY_REJECTED, RateLimitException: causes.RATE_LIMITED}
BUILT, FOREIGN, MISSING = 200, 403, 404


class Api:
    """The calls that a check makes. Each raises UnexpectedReply, and what net.http raises."""

    def __init__(self, record: Recorder, endpoint: Endpoint, key: str) -> None:
        config = ConnectionConfig(api_key=key, api_url=str(endpoint), debug=False)
        self._client = AsyncApiClient(config, transport=_Transport(record, endpoint))

    async def template(self, alias: str) -> int:
        """The state of the template: BUILT, FOREIGN or MISSING."""
        reply = await _parsed(lambda: get_templates_aliases_alias.asyncio_detailed(alias, client=self._client))
        match reply.status_code, reply.parsed:
            case (200, TemplateAliasResponse(template_id=str(), public=bool())) | (404, Error(message=str())):
                return int(reply.status_code)
            case 403, Error(message=str()):
                await self._raise_blocked()
                return FOREIGN
        raise _refusal(reply)

    async def _raise_blocked(self) -> None:
        """Raise if E2B blocks the team: then every call gets 403, not only the one for this template."""
        reply = await _parsed(lambda: get_v2_sandboxes.asyncio_detailed(client=self._client, limit=1))
        if reply.status_code == 403:
            raise UnexpectedReply(causes.TEAM_BLOCKED, str(_refusal(reply)))
        if reply.status_code != 200:
            raise _refusal(reply)


class _Transport(httpx.AsyncBaseTransport):
    """Replaces the package's transport, which resolves names itself, trusts other roots, retries, has no size limit."""

    def __init__(self, record: Recorder, endpoint: Endpoint) -> None:
        self._record, self._endpoint = record, endpoint

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        headers = {name: value for name, value in request.headers.items() if name != "accept-encoding"}
        endpoint = replace(self._endpoint, path=request.url.raw_path.decode())
        reply = await http.request(self._record, request.method, endpoint, headers=headers)
        if not _is_object(reply.body):
            raise_if_proxys(reply, "the request")
        return httpx.Response(reply.status, content=reply.body)


def _is_object(body: bytes) -> bool:
    """Whether it is a JSON object, as every reply of E2B's API is."""
    try:
        return isinstance(json.loads(body), dict | list)
    except (ValueError, RecursionError):
        return False


async def _parsed(call: Callable[[], Awaitable[Response[T]]]) -> Response[T]:
    """Make the call. The package validates no reply: a malformed one raises any of these built-in errors."""
    try:
        return await call()
    except UnicodeEncodeError:  # the key cannot be sent; not an error of the reply
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        message = "the reply is none that E2B's API documents"
        raise UnexpectedReply(causes.UNEXPECTED_REPLY, message) from error


def _refusal(reply: Response[T]) -> UnexpectedReply:
    status = int(reply.status_code)
    try:
        body = json.loads(reply.content)
    except (ValueError, RecursionError):
        body = None
    match body:
        case {"code": int(), "message": str(text)}:
            message = foreign(f"{status}: {text}")
            if cause := _CAUSES.get(type(handle_api_exception(reply))):
                return UnexpectedReply(cause, f"E2B reports: {message}")
            return UnexpectedReply(causes.UNEXPECTED_REPLY, f"E2B answers {message}")
    return UnexpectedReply(causes.UNEXPECTED_REPLY, f"the reply is {status}, and not an error of E2B's API")
