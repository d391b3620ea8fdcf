"""Judges the replies of one of Mistle's services; each function raises UnexpectedReply for one that none sends."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from checks.core.finding import Diagnosed, Diagnosis, Status
from checks.core.text import clean, foreign
from checks.http_service import causes
from checks.http_service.apps import GATEWAY, SIGN_IN, App
from checks.net.endpoint import Endpoint
from checks.net.http import Reply, UnexpectedReply
from checks.net.proxies import is_moved, proxy_of, raise_if_proxys

PATIENCE = 3.0  # seconds: the time-out of the clients with which Mistle's services call one another
_PROXY = {502, 503, 504}  # a proxy's replies when it cannot reach the service
_REFUSED, _TOO_MANY = {401, 403}, 429
_STATE = {"ownerLeaseId", "attachment"}  # keys of the runtime state that the gateway returns for a sandbox


def health(reply: Reply) -> bool:
    """Whether Mistle's reply to GET /__healthz reports that the service is healthy."""
    if isinstance(ok := reply.object.get("ok"), bool):
        return reply.status == 200 and ok
    if not _is_mistles(reply):
        raise_if_proxys(reply, "GET /__healthz")
    if reply.is_redirect:
        raise _redirected(reply, is_moved=reply.location.endswith("/__healthz"))
    _refuse_proxy(reply)
    if reply.status >= 500:
        raise UnexpectedReply(causes.UNHEALTHY, f"GET /__healthz answers {reply.summary}")
    if reply.status == 200 and reply.is_html:
        raise UnexpectedReply(causes.IS_DASHBOARD, "GET /__healthz answers with a page")
    raise UnexpectedReply(causes.NOT_MISTLE, f"GET /__healthz answers {reply.summary}")


def signs_in(reply: Reply) -> bool:
    """Whether it is the control-plane API's reply to GET /v1/auth/ok."""
    return reply.status == 200 and reply.object.get("ok") is True


def public_api(app: App, health_reply: Reply, document: Reply, sign_in: Reply) -> bool:
    """Whether the control-plane API reports that it is healthy; GET /v1/auth/ok decides whether it is the API.

    Behind one entrance with the dashboard, as in the single container, GET /__healthz answers with that one's page.
    """
    if signs_in(sign_in) and not health_reply.object:
        return True
    healthy = health(health_reply)
    release(app, document)
    if sign_in.status == 404 and not _info(document).get("title"):
        raise UnexpectedReply(causes.WRONG_SERVICE, f"GET {SIGN_IN} answers {sign_in.summary}, unlike {app.name}")
    if healthy:
        require_sign_in(sign_in)
    return healthy


def of_the_api(replies: Iterable[Reply]) -> Reply:
    """The first of the replies that comes from the API, not from the dashboard or a proxy."""
    return next(reply for reply in replies if isinstance(reply.object.get("ok"), bool))


def require_sign_in(reply: Reply, blames: tuple[str, ...] = ("url",)) -> None:
    """The control-plane API replies to GET /v1/auth/ok."""
    if signs_in(reply) or reply.status == _TOO_MANY:
        return
    _refuse_proxy(reply)
    message = f"GET {SIGN_IN} answers {reply.summary}, unlike the control-plane API"
    raise Diagnosed(causes.SIGN_IN_UNREACHABLE.diagnosis(message, blames=blames))


def release(app: App, document: Reply) -> str:
    """The release that openapi.json names; "" if the document cannot be read."""
    info = _info(document)
    title = info.get("title")
    if not title and not (app.title and document.object):
        return ""
    if not title:  # a reply in JSON without a title: another of Mistle's services
        raise UnexpectedReply(causes.WRONG_SERVICE, f"GET /openapi.json answers {document.summary}, unlike {app.name}")
    if title != app.title:
        raise UnexpectedReply(
            causes.WRONG_SERVICE, f"the service calls itself {foreign(str(title), 80)}, not {app.name}"
        )
    return clean(str(info.get("version", "")), 64)


def in_time(request: str, *replies: Reply) -> None:
    """Mistle's services wait for each of the replies to the ``request``, as it is described."""
    slowest = max(reply.seconds for reply in replies)
    if slowest > PATIENCE:
        message = f"{request} is answered after {slowest:.1f} s, and Mistle's services give up after {PATIENCE:.0f} s"
        raise UnexpectedReply(causes.SLOW, message)


def require_refusals(app: App, replies: Mapping[str, Reply]) -> None:
    """The service refuses requests without the right token. ``replies`` by the token that was sent."""
    for sent, reply in replies.items():
        if reply.status == 401 and _is_mistles(reply):  # not by a login page in front, which would receive the token
            continue
        _refuse_proxy(reply)
        if reply.status == 429:
            raise_if_proxys(reply, f"GET {app.route}")
        message = f"GET {app.route} with {sent} token answers {reply.summary}, not 401"
        if reply.status in {app.accepted, 500} and _is_mistles(reply):
            raise UnexpectedReply(causes.TOKEN_NOT_CHECKED, message)
        raise UnexpectedReply(causes.INTERNAL_BLOCKED, message)


def accepts_token(app: App, reply: Reply) -> bool:
    """Whether the reply proves that the service accepts the token; the gateway's must have the form of its state."""
    if reply.status in _REFUSED and _is_mistles(reply):
        raise Diagnosed(_rejection(app, reply))
    _refuse_proxy(reply)
    if reply.status in {401, 403, 429}:
        raise_if_proxys(reply, f"GET {app.route} with the shared token")
    if app is not GATEWAY:
        if reply.status >= 500:
            raise UnexpectedReply(causes.UNHEALTHY, f"GET {app.route} with the shared token answers {reply.summary}")
        return reply.status == app.accepted
    is_state = reply.status == app.accepted and reply.object.keys() >= _STATE
    if reply.status < 500 and not is_state:
        raise UnexpectedReply(causes.WRONG_SERVICE, f"GET {app.route} answers {reply.summary}, unlike the gateway")
    return True  # a 5xx comes after the token check, from the Valkey, which the next layer judges


def require_runtime_state(reply: Reply | None) -> None:
    """The gateway returned a sandbox's runtime state, which it reads from its Valkey."""
    if reply is None or reply.status >= 500:
        outcome = f"the reply is {reply.summary}" if reply else "there is no reply in time"
        raise UnexpectedReply(causes.VALKEY_UNREACHABLE, f"asked for a sandbox's runtime state, {outcome}")


def cors(origin: str, reply: Reply) -> None:
    """A browser allows a page of this origin to read the reply, cookies included."""
    required = {"access-control-allow-origin": origin, "access-control-allow-credentials": "true"}
    for name, value in required.items():
        if (received := reply.headers.get(name, "")) != value:
            received_text = f"{name}: {foreign(received, 120)}" if received else f"no {name}"
            raise UnexpectedReply(causes.CORS_REFUSED, f"to a page of {origin} the API answers {received_text}")


def page(endpoint: Endpoint, reply: Reply) -> None:
    """The reply is an HTML page."""
    if reply.is_redirect:
        # To another scheme: the pages have another origin. Elsewhere: it may be a login page in front of the dashboard.
        raise_if_proxys(reply, "the page", Status.WARN)
        target = urlsplit(reply.location)
        status = Status.FAIL if target.hostname == endpoint.host and target.scheme != endpoint.scheme else Status.WARN
        raise _redirected(reply, status, is_moved=is_moved(reply.location, endpoint.path))
    if not _is_mistles(reply):
        raise_if_proxys(reply, "the page", Status.WARN)
    if reply.status == 200 and reply.is_html:
        return
    _refuse_proxy(reply)
    if reply.status >= 500:
        raise UnexpectedReply(causes.UNHEALTHY, f"the reply is {reply.summary}")
    cause = causes.WRONG_SERVICE if _is_mistles(reply) else causes.NOT_MISTLE
    raise UnexpectedReply(cause, f"the reply is {reply.summary}, and not the dashboard's page")


def same_page(reply: Reply) -> None:
    """A path that does not exist returns the page too."""
    if reply.status != 200 or not reply.is_html:
        raise UnexpectedReply(causes.NOT_THE_DASHBOARD, f"a made-up path answers {reply.summary}")


def is_blocked(document: Reply) -> bool:
    """Whether a proxy refuses openapi.json: Mistle's own errors are JSON with a code."""
    return document.status in {401, 403, 404, 405, 429} and not _is_mistles(document)


def _redirected(reply: Reply, status: Status | None = None, *, is_moved: bool) -> Diagnosed:
    message = f"the reply is {reply.status}, a redirect to {foreign(reply.location)}"
    return Diagnosed(causes.REDIRECTS.diagnosis(message, status=status, hint=causes.MOVED if is_moved else None))


def _rejection(app: App, reply: Reply) -> Diagnosis:
    """The token is refused, or it did not arrive: behind a proxy, the service's replies to both are the same."""
    message = f"GET {app.route} with the shared token answers {reply.summary}"
    if proxy := proxy_of(reply):
        message += f"; it came through {foreign(proxy)}, which may drop the header x-mistle-service-token"
        hint = causes.REJECTED_BEHIND_PROXY
        return causes.TOKEN_REJECTED.diagnosis(message, hint=hint, blames=("token", "url"))
    return causes.TOKEN_REJECTED.diagnosis(message)


def _refuse_proxy(reply: Reply) -> None:
    if reply.status in _PROXY and not _is_mistles(reply):
        raise UnexpectedReply(causes.BAD_GATEWAY, f"a proxy answers {reply.summary}")


def _is_mistles(reply: Reply) -> bool:
    """Whether it is an error of Mistle, whose code is a string, or the gateway's runtime state."""
    body = reply.object
    return isinstance(body.get("code"), str) or body.keys() >= _STATE


def _info(document: Reply) -> dict[str, object]:
    """The ``info`` object of openapi.json, which is near the beginning; the whole document is too long to be read."""
    if document.status != 200:
        return {}
    start = document.body.decode(errors="replace").partition('"info"')[2].lstrip(" \t\r\n:")
    try:
        info, _ = json.JSONDecoder().raw_decode(start)
    except (ValueError, RecursionError):
        return {}
    return info if isinstance(info, dict) else {}
