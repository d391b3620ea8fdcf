"""Which program sent a reply on the socket: a daemon, a filter, a proxy without its daemon, or another server."""

from __future__ import annotations

import json
from contextlib import suppress
from http.client import HTTPException, IncompleteRead, RemoteDisconnected
from typing import Any

from docker.errors import APIError  # type: ignore[import-untyped]
from requests import Response
from requests.exceptions import RequestException, Timeout

from checks.core.chain import chain
from checks.core.finding import Diagnosed, Diagnosis
from checks.core.limits import ResponseTooLarge
from checks.core.text import foreign
from checks.docker import causes

_FORBIDDEN = {401, 403, 405, 407, 501}  # from filters and authorization plugins


def diagnosis_of(error: Exception) -> Diagnosis | None:
    """The diagnosis of an error of the SDK that the caller did not expect."""
    match error:
        case APIError() if is_from_proxy(error):
            return causes.DAEMON_DOWN.diagnosis(
                f"a proxy replies on the socket, and no daemon behind it: HTTP {error.status_code} {message_of(error)}"
            )
        case APIError():
            return causes.CALL_REFUSED.diagnosis(f"the daemon reports: {message_of(error)} (HTTP {error.status_code})")
        case Timeout():
            return causes.SILENT.diagnosis("connected, then no reply in time")
        case _ if any(isinstance(link, ResponseTooLarge) for link in chain(error)):
            return causes.NOT_DOCKER.diagnosis("its reply does not end")
        case RequestException() if _is_no_http(error):
            return causes.NOT_DOCKER.diagnosis(f"its reply is not HTTP: {foreign(str(error), 120)}")
        case RequestException():
            return causes.SILENT.diagnosis("the connection broke before a reply came")
    return None


def has_message(error: APIError) -> bool:
    """Whether the refusal has the form of a daemon's."""
    return bool(message_in(error.response))


def is_from_proxy(error: APIError) -> bool:
    """Whether a proxy reports that its daemon does not reply."""
    return error.status_code in {502, 503, 504} and not has_message(error)


def is_filters(error: APIError) -> bool:
    """Whether a filter sent the refusal: the daemon's own has a message, and another status than these."""
    is_unknown = error.status_code == 404 and "page not found" in message_of(error)
    return error.status_code in _FORBIDDEN or is_unknown or not has_message(error)


def message_of(error: APIError) -> str:
    """The daemon's message. Without one, the SDK's text would name the SDK's own address."""
    return foreign(str(error.explanation or "no message"), 200)


def as_object(body: object) -> dict[str, Any]:
    """The same body, if it is a JSON object. Raises Diagnosed."""
    if not isinstance(body, dict):
        raise not_docker("its reply is not a JSON object")
    return body


def not_docker(reason: str) -> Diagnosed:
    """The error of a reply that no Docker Engine sends."""
    return Diagnosed(causes.NOT_DOCKER.diagnosis(f"what answers is not a Docker Engine: {reason}"))


def parsed(response: Response) -> object:
    """The body of a reply. Raises Diagnosed if it is not JSON."""
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError):
        raise not_docker("its reply is not JSON") from None


def message_in(response: Response) -> str:
    """The message in a daemon's refusal, "" without one."""
    with suppress(Diagnosed):
        match parsed(response):
            case {"message": str(text)}:
                return text
    return ""


def is_dockers(error: APIError) -> bool:
    """Whether the refusal is from a daemon, or from a filter in front of its socket."""
    return error.status_code in {401, 403} or (error.status_code != 404 and has_message(error))


def _is_no_http(error: BaseException) -> bool:
    cause = next((link for link in chain(error) if isinstance(link, HTTPException)), None)
    return cause is not None and not isinstance(cause, RemoteDisconnected | IncompleteRead)
