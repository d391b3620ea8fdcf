"""Reads the replies of a Mistle service; each function raises UnexpectedReply for one that no such service sends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from checks.core.check import Status
from checks.core.text import clean, foreign
from checks.http_service import causes
from checks.http_service.apps import GATEWAY, App
from checks.net.http import Endpoint, NotJson, Reply, UnexpectedReply

if TYPE_CHECKING:
    from collections.abc import Mapping

_PROXY = {502, 503, 504}  # what a proxy says of a service that it cannot reach
_REFUSED = {401, 403}
_STATE = {"ownerLeaseId", "attachment"}  # the gateway's, of a sandbox


def health(reply: Reply) -> bool:
    """Whether Mistle's answer to GET /__healthz is that it is well."""
    if reply.is_redirect:
        raise UnexpectedReply(
            causes.REDIRECTS, f"the answer is {reply.status}, a redirect to {foreign(reply.location)}"
        )
    if isinstance(ok := _object(reply).get("ok"), bool):
        return reply.status == 200 and ok
    _refuse_proxy(reply)
    if reply.status >= 500:
        raise UnexpectedReply(causes.UNHEALTHY, f"GET /__healthz answers {reply.summary}")
    if reply.status == 200 and reply.is_html:
        raise UnexpectedReply(causes.IS_DASHBOARD, "GET /__healthz answers with a page")
    raise UnexpectedReply(causes.NOT_MISTLE, f"GET /__healthz answers {reply.summary}")


def release(app: App, document: Reply) -> str:
    """The release that openapi.json names; "" where the document is not to be had."""
    about = _about(document)
    title = about.get("title")
    if not title and not (app.title and _object(document)):
        return ""
    if not title:  # a JSON 404 is Mistle's own
        raise UnexpectedReply(causes.WRONG_SERVICE, f"GET /openapi.json answers {document.summary}, unlike {app.name}")
    if title != app.title:
        raise UnexpectedReply(
            causes.WRONG_SERVICE, f"the service calls itself {foreign(str(title), 80)}, not {app.name}"
        )
    return clean(str(about.get("version", "")), 64)


def strangers(app: App, replies: Mapping[str, Reply]) -> None:
    """Whoever does not show the token is kept out."""
    for shown, reply in replies.items():
        if reply.status == 401 and _is_mistles(reply):  # a sign-in in front would be shown the token
            continue
        _refuse_proxy(reply)
        said = f"GET {app.route} with {shown} token answers {reply.summary}, not 401"
        if reply.status in {app.admitted, 500} and _is_mistles(reply):
            raise UnexpectedReply(causes.TOKEN_NOT_CHECKED, said)
        raise UnexpectedReply(causes.INTERNAL_BLOCKED, said)


def member(app: App, reply: Reply) -> bool:
    """Whether it shows that whoever has the token is let in; the gateway's runtime state has its shape."""
    if reply.status in _REFUSED:
        raise UnexpectedReply(causes.TOKEN_REJECTED, f"GET {app.route} with the shared token answers {reply.summary}")
    _refuse_proxy(reply)
    if app is not GATEWAY:
        if reply.status >= 500:
            raise UnexpectedReply(causes.UNHEALTHY, f"GET {app.route} with the shared token answers {reply.summary}")
        return reply.status == app.admitted
    is_state = reply.status == app.admitted and _object(reply).keys() >= _STATE
    if reply.status < 500 and not is_state:
        raise UnexpectedReply(causes.WRONG_SERVICE, f"GET {app.route} answers {reply.summary}, unlike the gateway")
    return True  # an error comes after the token, from the Valkey that is looked at later


def reads_valkey(state: Reply | None) -> None:
    """The gateway's runtime state, which it reads from its Valkey, came."""
    if state is None or state.status >= 500:
        said = f"the answer is {state.summary}" if state else "there is no answer in time"
        raise UnexpectedReply(causes.VALKEY_UNREACHABLE, f"asked for a sandbox's runtime state, {said}")


def cors(origin: str, reply: Reply) -> None:
    """A browser lets a page of this origin read the reply, cookies included."""
    wanted = {"access-control-allow-origin": origin, "access-control-allow-credentials": "true"}
    for name, value in wanted.items():
        if (given := reply.headers.get(name, "")) != value:
            answer = f"{name}: {foreign(given, 120)}" if given else f"no {name}"
            raise UnexpectedReply(causes.CORS_REFUSED, f"to a page of {origin} the API answers {answer}")


def page(endpoint: Endpoint, reply: Reply) -> None:
    """A page for people came back."""
    if reply.is_redirect:
        # To another scheme, so the pages have another origin; otherwise it may be a sign-in in front of the dashboard.
        target = urlsplit(reply.location)
        status = Status.FAIL if target.hostname == endpoint.host and target.scheme != endpoint.scheme else Status.WARN
        raise UnexpectedReply(
            causes.REDIRECTS, f"the answer is {reply.status}, a redirect to {foreign(reply.location)}", status
        )
    if reply.status == 200 and reply.is_html:
        return
    _refuse_proxy(reply)
    if reply.status >= 500:
        raise UnexpectedReply(causes.UNHEALTHY, f"the answer is {reply.summary}")
    cause = causes.WRONG_SERVICE if _is_mistles(reply) else causes.NOT_MISTLE
    raise UnexpectedReply(cause, f"the answer is {reply.summary}, and not the dashboard's page")


def same_page(reply: Reply) -> None:
    """A path that nobody has made is a page too."""
    if reply.status != 200 or not reply.is_html:
        raise UnexpectedReply(causes.NOT_THE_DASHBOARD, f"a made-up path answers {reply.summary}")


def _refuse_proxy(reply: Reply) -> None:
    if reply.status in _PROXY and not _is_mistles(reply):
        raise UnexpectedReply(causes.BAD_GATEWAY, f"a proxy answers {reply.summary}")


def _is_mistles(reply: Reply) -> bool:
    """Whether it is one of Mistle's errors, whose code is a word, or the gateway's runtime state."""
    answer = _object(reply)
    return isinstance(answer.get("code"), str) or answer.keys() >= _STATE


def _object(reply: Reply) -> dict[str, object]:
    """The body's JSON object, empty where it is none."""
    try:
        answer = reply.json()
    except NotJson:
        return {}
    return answer if isinstance(answer, dict) else {}


def _about(document: Reply) -> dict[str, object]:
    """The ``info`` of openapi.json, which stands near the beginning of a document too long to be read whole."""
    if document.status != 200:
        return {}
    start = document.body.decode(errors="replace").partition('"info"')[2].lstrip(" \t\r\n:")
    try:
        about, _ = json.JSONDecoder().raw_decode(start)
    except (ValueError, RecursionError):
        return {}
    return about if isinstance(about, dict) else {}
